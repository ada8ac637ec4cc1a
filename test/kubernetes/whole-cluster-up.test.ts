/**
 * A Kubernetes cluster from nothing: its machines by MultiSiteCluster, which join as what they are told they are, and then a
 * ZonedStatefulSet whose volumes go to the zones of these machines and are attached to them by provider id.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NodeIdentity } from "../../src/components/kubernetes";
import { getGuest } from "../integration/support/federation-view";
import { createStack, type PulumiStack } from "../support/engine";
import { KubernetesSite, WORKERS } from "./support/kubernetes-site";
import { listClaims } from "./support/site-view";

const JOINED = { env: { JOINED: "yes" } };

describe("a ZonedStatefulSet on the machines of a MultiSiteCluster", () => {
  let site: KubernetesSite;
  let stack: PulumiStack;
  let nodes: NodeIdentity[];

  beforeAll(async () => {
    site = await KubernetesSite.start();
    for (const { name } of WORKERS) await site.core.deleteNode({ name });
    stack = await createStack(join(__dirname, "support/whole-cluster-program"), {
      env: { ...site.federation.env, KUBECONFIG: site.controlPlane.kubeconfig },
      config: { "proxmox-federation:file": site.federation.file },
    });
  });
  afterAll(async () => {
    stack?.dispose();
    await site?.stop();
  });

  const placeOf = ({ region, zone }: { region: string; zone: string }) => `${region}/${zone}`;

  it("gets machines on both sites, which join under their identities", async () => {
    await stack.up();
    const output = await stack.run(["stack", "output", "nodes", "--json"]);
    nodes = JSON.parse(output.stdout) as NodeIdentity[];
    expect(new Set(nodes.map(({ region }) => region))).toEqual(new Set(["eu-ams", "eu-fra"]));
    for (const { name, providerId, labels } of nodes) {
      const [, region, vmid] = /^proxmox:\/\/([^/]*)\/(\d+)$/.exec(providerId)!;
      const zone = labels["topology.kubernetes.io/zone"]!;
      expect(labels["topology.kubernetes.io/region"]).toBe(region);
      await site.standIn.join({ name, region: region!, zone, vmid: Number(vmid) });
    }
  });

  it("puts its volumes beside them and runs a pod on each, with its disk attached to that very machine", async () => {
    await stack.up(JOINED);
    const claims = await listClaims(site);
    expect(new Set(Object.values(claims).map(({ place }) => place))).toEqual(new Set(nodes.map(placeOf)));
    const { items } = await site.core.listNamespacedPod({ namespace: "default" });
    expect(items).toHaveLength(3);
    for (const { metadata, spec, status } of items) {
      const node = nodes.find(({ name }) => name === spec!.nodeName)!;
      const claim = claims[`data-${metadata!.name}`]!;
      expect([status?.phase, placeOf(node)]).toEqual(["Running", claim.place]);
      const volume = await site.core.readPersistentVolume({ name: claim.persistentVolume });
      const [, , storage, volname] = volume.spec!.csi!.volumeHandle.split("/");
      const attached = Object.values(getGuest(site.federation.simulator.world, node.name).config);
      expect(attached.some((line) => line.split(",")[0] === `${storage}:${volname}`)).toBe(true);
    }
    expect(site.standIn.formatted).toHaveLength(3);
    const again = await stack.up({ ...JOINED, args: ["--expect-no-changes"] });
    expect(new Set(again.steps.map(({ operation }) => operation))).toEqual(new Set(["same"]));
  });

  it("is taken down from the pods to the machines", async () => {
    await stack.destroy(JOINED);
    expect(await listClaims(site)).toEqual({});
    expect(await site.disks()).toEqual([]);
    expect(site.standIn.errors).toEqual([]);
  });
});
