/** The objects of a ZonedStatefulSet under real controllers and scheduler: its pods go where their data is, also after a move. */
import type * as library from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Zone, ZonedStatefulSet } from "../../src/components/kubernetes";
import { type Registered, runProgram } from "../components/kubernetes/registered";
import { EngineReplay } from "../support/engine-replay";
import type { PropertyMap } from "../support/property-values";
import type { DesiredResource } from "../support/replay-model";
import { pool } from "../support/stack";
import { KubernetesSite } from "./support/kubernetes-site";

const REPOSITORY = `${__dirname}/../..`;
const patience = { timeout: 60_000, interval: 200 };
const AMS_1 = { region: "eu-ams", zone: "ams-1" };
const AMS_2 = { region: "eu-ams", zone: "ams-2" };
const FRA_1 = { region: "eu-fra", zone: "fra-1" };

describe("a ZonedStatefulSet of two replicas", () => {
  let site: KubernetesSite;
  let stack: EngineReplay;
  beforeAll(async () => {
    site = await KubernetesSite.start();
    stack = new EngineReplay({ cwd: REPOSITORY, env: site.federation.env });
  });
  afterAll(async () => {
    await site?.stop();
  });

  const declare = (zones: Zone[], allowMove: boolean) =>
    runProgram({}, () => {
      const container = { name: "main", image: "none.invalid/none", volumeMounts: [{ name: "data", mountPath: "/data" }] };
      return new ZonedStatefulSet("db", {
        replicas: 2,
        zones,
        volumes: { data: { size: "2GiB", storageClass: "fast" } },
        template: { spec: { containers: [container], terminationGracePeriodSeconds: 0 } },
        allowMove,
      });
    });
  const toDesired = ({ name, inputs }: Registered, previous: Registered | undefined): DesiredResource => {
    const { size, region, zone, claim, quiesce, allowMove } = inputs as PropertyMap;
    const volume = site.volume(name, {
      size: size!,
      region: region!,
      zone: zone!,
      claim: claim!,
      quiesce: quiesce!,
      allowMove: allowMove!,
    });
    return { ...volume, dependsOn: [...(volume.dependsOn ?? []), ...(previous ? [previous.name] : [])] };
  };
  const up = async (zones: Zone[], allowMove = false) => {
    const program = await declare(zones, allowMove);
    const volumes = program.ofType(":ZonedPersistentVolume").sort((a, b) => (a.name < b.name ? -1 : 1));
    await stack.up([pool("kubernetes"), ...volumes.map((volume, index) => toDesired(volume, volumes[index - 1]))]);
    return program.ofType(":StatefulSet")[0]!.inputs as library.V1StatefulSet;
  };
  const podNodes = async () => {
    const { items } = await site.core.listNamespacedPod({ namespace: "default" });
    const running = items.filter(({ status }) => status?.phase === "Running");
    return Object.fromEntries(running.map(({ metadata, spec }) => [metadata!.name!, spec!.nodeName!]));
  };
  const checksums = async () => (await site.disks()).filter((disk) => disk.blockCount > 0).map(({ sha256 }) => sha256);

  it("runs each replica in the zone of its volume", async () => {
    const set = await up([AMS_1, FRA_1]);
    await site.apps.createNamespacedStatefulSet({ namespace: "default", body: { ...set, metadata: { name: "db", namespace: "default" } } });
    await expect.poll(podNodes, patience).toEqual({ "db-0": expect.stringMatching(/^worker-[12]$/), "db-1": "worker-4" });
    expect(await checksums()).toHaveLength(2);
  });

  it("moves volumes of both replicas in one run, and brings every pod and its data after them", async () => {
    const before = await checksums();
    await up([AMS_2, AMS_1], true);
    await expect.poll(podNodes, patience).toEqual({ "db-0": "worker-3", "db-1": expect.stringMatching(/^worker-[12]$/) });
    expect((await checksums()).sort()).toEqual(before.sort());
    expect(site.standIn.formatted).toHaveLength(2);
    expect((await site.core.listPersistentVolume()).items).toHaveLength(2);
  });
});
