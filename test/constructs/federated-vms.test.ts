import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Testing } from "cdktf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setClusterStatus } from "../../src/cli/simulated-config";
import { loadFederation } from "../../src/config";
import { Federation, SynthError } from "../../src/constructs";
import { declaredInventory } from "../../src/constructs/declared-inventory";
import { terraformTag } from "../../src/constructs/identity";
import { type PlacementRequest, placeMany } from "../../src/placement";
import { toRequest } from "../../src/providers/vm/request";
import { vmSchema } from "../../src/providers/vm/spec";
import { EMPTY_LOCK, program, SSH_KEY, synthesize, VMS, type Workspace, workspace } from "./program";

const AT = "2026-03-01T22:00:00Z";
type Vms = Record<string, Record<string, unknown>>;

let place: Workspace;
beforeEach(async () => {
  place = await workspace(EMPTY_LOCK);
});
afterEach(() => place.remove());

const load = () => Federation.load({ file: place.file, offline: true, at: AT });
const synth = (props: Parameters<typeof synthesize>[2] = {}) =>
  synthesize({ file: place.file, offline: true, at: AT }, join(place.directory, "out"), props);
const vmsIn = (json: string) => (JSON.parse(json) as { resource: Record<string, Vms> }).resource.proxmox_virtual_environment_vm!;

async function refusal(work: Promise<unknown>): Promise<SynthError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SynthError);
  return error as SynthError;
}

describe("FederatedVms", () => {
  it("puts each VM where the joint plan does", async () => {
    const { federation } = await loadFederation(place.file);
    const pool = federation.resourcePools.find(({ name }) => name === "production-pool")!;
    const requests = Object.entries(VMS).map(([name, args]): PlacementRequest => {
      const spec = vmSchema.parse({ name, ...args });
      return toRequest(spec, pool, terraformTag("acme", `prod/${name}`), undefined);
    });
    const plan = placeMany(requests, declaredInventory(federation, Date.parse(AT)));
    const { vms } = program(await load(), place.directory);
    expect(plan.counts).toMatchObject({ placed: 3 });
    expect(vms.placements).toEqual(
      Object.fromEntries(plan.decisions.map(({ name, placement }) => [name, `${placement!.cluster}/${placement!.node}`])),
    );
    expect(vms.placements["web-1"]).not.toBe(vms.placements["web-2"]);
  });

  it("names the site in the address, and node, storage, bridge and VLAN of that site", async () => {
    const resources = vmsIn(await synth());
    expect(Object.keys(resources).sort()).toEqual(["db-1_worldstream_prod", "web-1_worldstream_prod", "web-2_worldstream_prod"]);
    expect(resources["web-2_worldstream_prod"]).toMatchObject({
      name: "web-2",
      provider: "proxmox.worldstream_prod",
      node_name: expect.stringMatching(/^ams-/),
      migrate: true,
      pool_id: "production-pool",
      cpu: { cores: 2, sockets: 1, type: "x86-64-v2-AES" },
      memory: { dedicated: 4096 },
      disk: [{ interface: "scsi0", datastore_id: "nvme", size: 16, discard: "on", import_from: "local:import/debian-12.qcow2" }],
      network_device: [{ bridge: "vmbr0", vlan_id: 20, model: "virtio" }],
      initialization: {
        datastore_id: "nvme",
        user_account: { username: "admin", keys: [SSH_KEY] },
        ip_config: [{ ipv4: { address: "192.0.2.10/24", gateway: "192.0.2.1" } }],
        dns: { servers: ["192.0.2.1"] },
      },
      tags: [terraformTag("acme", "prod/web-2"), "web"],
      lifecycle: { prevent_destroy: true },
    });
    expect(resources["db-1_worldstream_prod"]).toMatchObject({
      memory: { dedicated: 16384, floating: 8192 },
      disk: [{ interface: "scsi0" }, { interface: "scsi1", size: 64, ssd: true }],
    });
  });

  it("declares a provider with its alias for every cluster, also those without a VM", async () => {
    const { terraform, provider, variable } = JSON.parse(await synth()) as Record<string, Record<string, unknown>>;
    expect(terraform!.required_providers).toEqual({ proxmox: { source: "bpg/proxmox", version: ">= 0.80.0, < 1.0.0" } });
    expect(provider!.proxmox).toEqual([
      {
        alias: "worldstream_prod",
        endpoint: "https://pve.worldstream.example:8006",
        api_token: "iac@pve!federation=$" + "{var.worldstream_prod_token_secret}",
      },
      expect.objectContaining({ alias: "databarn_dr" }),
      expect.objectContaining({ alias: "hetzner_edge" }),
    ]);
    expect(variable!.worldstream_prod_token_secret).toMatchObject({ type: "string", sensitive: true });
    expect(variable!.worldstream_prod_token_secret).not.toHaveProperty("default");
  });

  it("makes the same program and lock file again", async () => {
    const [first, lock] = [await synth(), await readFile(place.lockFile, "utf8")];
    expect(await synth()).toBe(first);
    expect(await readFile(place.lockFile, "utf8")).toBe(lock);
  });

  it("leaves a VM where the lock file has it, whatever scores better", async () => {
    const prior = { cluster: "databarn-dr", node: "rtm-2", storages: ["ssd"] };
    await writeFile(place.lockFile, JSON.stringify({ version: 1, federation: "acme", vms: { "prod/web-1": prior } }));
    const resources = vmsIn(await synth());
    expect(resources["web-1_databarn_dr"]).toMatchObject({
      node_name: "rtm-2",
      disk: [{ datastore_id: "ssd" }],
      network_device: [{ bridge: "vmbr1", vlan_id: 120 }],
    });
    expect(resources).not.toHaveProperty("web-1_worldstream_prod");
    expect(JSON.parse(await readFile(place.lockFile, "utf8")).vms["prod/web-1"]).toEqual(prior);
  });

  it("refuses every move to another cluster that is not acknowledged, and changes nothing", async () => {
    await synth();
    const lock = await readFile(place.lockFile, "utf8");
    await place.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));
    const error = await refusal(synth({ allowMoves: ["db-1"] }));
    expect(error.code).toBe("MOVE");
    expect(error.message.split("\n")).toHaveLength(2);
    expect(error.message).toMatch(
      /^web-1 would move from cluster worldstream-prod to databarn-dr: .*destroys it.*its data is lost.*federate migrate.*allowMoves: \["web-1"\]/,
    );
    expect(await readFile(place.lockFile, "utf8")).toBe(lock);
  });

  it("gives an acknowledged move a new address", async () => {
    await synth();
    await place.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));
    const resources = vmsIn(await synth({ allowMoves: Object.keys(VMS) }));
    expect(Object.keys(resources).sort()).toEqual(["db-1_databarn_dr", "web-1_databarn_dr", "web-2_databarn_dr"]);
    expect(resources["web-1_databarn_dr"]!.provider).toBe("proxmox.databarn_dr");
  });

  it("lets HA move what it is told to, and lets go of what may be destroyed", async () => {
    const resources = vmsIn(await synth({ ignoreNodeChanges: ["web-1"], preventDestroy: false }));
    expect(resources["web-1_worldstream_prod"]!.lifecycle).toEqual({ ignore_changes: ["node_name"] });
    expect(resources["web-2_worldstream_prod"]).not.toHaveProperty("lifecycle.ignore_changes");
    expect(resources["web-2_worldstream_prod"]).not.toHaveProperty("lifecycle.prevent_destroy");
  });

  it("writes HCL with the alias and the blocks", async () => {
    const hcl = Testing.synthHcl(program(await load(), place.directory).stack);
    expect(hcl).toMatch(/provider "proxmox" \{[\s\S]*?alias\s*= "worldstream_prod"\n\}/);
    expect(hcl).toMatch(/resource "proxmox_virtual_environment_vm" "web-1_worldstream_prod" \{/);
    expect(hcl).toMatch(/disk \{\n\s*interface\s*= "scsi0"/);
    expect(hcl).not.toContain("[object Object]");
  });

  it("keeps the entries of other programs in the lock file and drops what is no longer declared", async () => {
    const prior = { cluster: "databarn-dr", node: "rtm-1", storages: [] };
    const vms = { "other/web-1": prior, "prod/gone": prior };
    await writeFile(place.lockFile, JSON.stringify({ version: 1, federation: "acme", vms }));
    await synth();
    expect(Object.keys(JSON.parse(await readFile(place.lockFile, "utf8")).vms)).toEqual([
      "other/web-1",
      "prod/db-1",
      "prod/web-1",
      "prod/web-2",
    ]);
  });

  it("refuses offline work without a lock file, a foreign one and a broken one", async () => {
    await writeFile(place.lockFile, EMPTY_LOCK.replace("acme", "other"));
    expect((await refusal(load())).message).toContain("belongs to federation other, not to acme");
    await writeFile(place.lockFile, "{");
    expect((await refusal(load())).code).toBe("LOCK_FILE");
    await rm(place.lockFile);
    expect((await refusal(load())).code).toBe("UNSEEN");
  });

  it.each([
    [
      "a size that is not whole GiB",
      { vms: { a: { cores: 1, memory: "1GiB", disks: [{ size: "1500MiB" }] } } },
      /^a: disks\[0\].size is .* whole GiB/,
    ],
    ["a word the VM does not have", { vms: { a: { cores: 1, memory: "1GiB", ram: 2 } as never } }, /^a: .*ram/],
    ["a name that is no address", { vms: { a_b: { cores: 1, memory: "1GiB" } } }, /^"a_b" cannot be part of a Terraform address/],
    ["an unknown pool", { pool: "nope" }, /^There is no pool nope\. The federation file declares production-pool/],
    ["an unknown VM in allowMoves", { allowMoves: ["web-9"] }, /^allowMoves names web-9/],
    [
      "an IP configuration it cannot read",
      { vms: { a: { cores: 1, memory: "1GiB", cloudInit: { ipConfigs: ["dhcp"] } } } },
      /^a: cloudInit.ipConfigs\[0\] is "dhcp"/,
    ],
  ])("refuses %s", async (_what, props, message) => {
    const error = await refusal(synth(props));
    expect(error.code).toBe("INPUT");
    expect(error.message).toMatch(message);
  });

  it("says why a VM fits nowhere", async () => {
    const error = await refusal(synth({ vms: { big: { cores: 500, memory: "1GiB" } } }));
    expect(error.code).toBe("PLACEMENT");
    expect(error.message).toMatch(/^big: .*cores/);
  });

  it("counts what the program has placed before", async () => {
    const federation = await load();
    const { stack } = program(federation, place.directory);
    const { FederatedVms } = await import("../../src/constructs");
    const more = new FederatedVms(stack, "more", { federation, pool: "production-pool", vms: { "web-3": VMS["web-1"]! } });
    expect(more.placements["web-3"]).not.toBe(undefined);
    expect(federation.promised).toHaveLength(4);
    expect(
      new Set(federation.promised.filter(({ request }) => request.tags.includes("web")).map(({ placement }) => placement.node)).size,
    ).toBe(3);
    expect(() => new FederatedVms(stack, "twice", { federation, pool: "production-pool", vms: { "web-3": VMS["web-1"]! } })).toThrow(
      /prod\/web-3/,
    );
  });
});
