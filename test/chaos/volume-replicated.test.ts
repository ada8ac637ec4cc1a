/** A Kubernetes volume that Proxmox replicates between zones, and its life interrupted at every call. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkVolume } from "../../src/providers/volume/plan";
import type { Permissions } from "../../src/proxmox";
import { systemClock } from "../../src/proxmox";
import type { Fault } from "../support/fake-world";
import { VolumeScenario } from "../support/volume-scenario";
import { type SweepSteps, sweepFault } from "../support/volume-sweep";

let scenario: VolumeScenario;
const begin = () => {
  scenario = new VolumeScenario(["a3"]);
  grant(true);
  return scenario;
};
beforeEach(() => {
  begin();
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

function grant(mayReplicate: boolean): void {
  const { "/": all, ...rest } = scenario.a.permissions;
  const { "VM.Replicate": _former, ...others } = { ...all };
  scenario.a.permissions = { ...rest, "/": { ...others, ...(mayReplicate ? { "VM.Replicate": true } : {}) } } as Permissions;
}

const declared = { region: "a", storageClass: "tank", replicate: { zones: ["a1", "a2"] } };
const owner = () => [...scenario.a.guests.values()].find(({ config }) => config.template === "1")!;
const jobs = () => scenario.a.replicationJobs.map(({ vmid, job, targetNode, schedule }) => ({ vmid, job, targetNode, schedule }));
const volume = () => [...scenario.kubernetes.volumes.values()][0]!;

async function inUse(): Promise<void> {
  await scenario.up(declared);
  scenario.kubernetes.setReplicas(1);
  scenario.kubernetes.write("orders");
}

function podMovesTo(node: string): void {
  scenario.kubernetes.setReplicas(0);
  scenario.kubernetes.chosenNode = node;
  scenario.kubernetes.setReplicas(1);
}

/** On that node, replicated to the other one, and nothing to do. */
async function expectReplicated(node: string, other: string, declaration = declared): Promise<void> {
  expect(scenario.litter()).toEqual([]);
  expect(scenario.owners()).toEqual([`a/${node} settled`]);
  expect(jobs()).toEqual([{ vmid: owner().vmid, job: 0, targetNode: other, schedule: "*/15" }]);
  expect((await scenario.preview(declaration)).step).toBe("same");
  expect(await scenario.refresh()).toBeUndefined();
  expect((await scenario.preview(declaration)).step).toBe("same");
}

describe("a replicated volume", () => {
  it("is registered as the plugin registers its own, with a job per further zone on its owner", async () => {
    await scenario.up({ ...declared, replicate: { zones: ["a1", "a2", "a3"], schedule: "*/5" } });
    const { vmid } = owner();
    expect(jobs()).toEqual([
      { vmid, job: 0, targetNode: "a2", schedule: "*/5" },
      { vmid, job: 1, targetNode: "a3", schedule: "*/5" },
    ]);
    const { csi, nodeAffinity, persistentVolumeReclaimPolicy } = volume().spec!;
    expect(csi).toMatchObject({
      volumeHandle: `a//tank/vm-${vmid}-disk-0`,
      volumeAttributes: { storage: "tank", replicate: "1", replicateZones: "a1,a2,a3", replicateSchedule: "*/5" },
    });
    const inZone = (zone: string) => ({
      matchExpressions: [
        { key: "topology.kubernetes.io/region", operator: "In", values: ["a"] },
        { key: "topology.kubernetes.io/zone", operator: "In", values: [zone] },
      ],
    });
    expect(nodeAffinity?.required?.nodeSelectorTerms).toEqual(["a1", "a2", "a3"].map(inZone));
    // Owner and jobs are not the plugin's to delete.
    expect(persistentVolumeReclaimPolicy).toBe("Retain");
    expect(owner().config).toMatchObject({ template: "1", protection: "1" });
  });

  it("follows its pod from zone to zone without a change to the program's eye", async () => {
    await inUse();
    await expectReplicated("a1", "a2");
    podMovesTo("a2");
    await expectReplicated("a2", "a1");
    expect(scenario.writes()).toEqual(["filesystem", "orders"]);
    podMovesTo("a1");
    await expectReplicated("a1", "a2");
    expect(scenario.kubernetes.formatted).toHaveLength(1);
  });

  it("counts for others where its pod has taken it, whoever asks first", async () => {
    await inUse();
    podMovesTo("a2");
    const args = { name: "data", size: "2GiB", storageClass: "tank", pin: { node: "a1" } };
    const peer = { kind: "disk", name: "pv/data", pool: "prod", region: "a", isReplicated: true, args };
    const session = scenario.newSession();
    const other = { name: "other", region: "b", zone: "b1", size: "1GiB", storageClass: "fast" };
    const identity = { stack: "shop/prod", name: "other" };
    const { failures } = await checkVolume(
      session,
      {},
      { ...other, __identity: identity, __before: JSON.stringify([peer]), __ordered: true },
    );
    expect(failures).toEqual([]);
    expect([...session.promised.values()].map(({ request, placement }) => `${request.name} ${placement.node}`)).toEqual([
      "data a2",
      "other b1",
    ]);
  });

  it("grows where its pod has taken it", async () => {
    await inUse();
    podMovesTo("a2");
    scenario.kubernetes.setReplicas(0);
    expect(await scenario.up({ ...declared, size: "3GiB" })).toBe("update");
    expect(volume().spec?.capacity?.storage).toBe("3Gi");
    await expectReplicated("a2", "a1", { ...declared, size: "3GiB" } as typeof declared);
  });

  it("is refused growth for which a zone has no room", async () => {
    await scenario.up(declared);
    const { tank } = scenario.a.storages;
    tank!.usedBytes = tank!.totalBytes - 1024 ** 3;
    await expect(scenario.preview({ ...declared, size: "4GiB" })).rejects.toThrow(/tank of a\/a1 has .* 2 GiB needed/);
    expect((await scenario.preview(declared)).step).toBe("same");
  });

  it("gets back a job that somebody has removed, and keeps one that somebody has added", async () => {
    await inUse();
    scenario.a.replicationJobs.splice(0);
    expect(await scenario.refresh()).toEqual(["it is not replicated to a2"]);
    expect(await scenario.up(declared)).toBe("update");
    await expectReplicated("a1", "a2");
    scenario.a.replicationJobs.push({ vmid: owner().vmid, job: 7, targetNode: "a3", disabled: false });
    scenario.a.replicationJobs.splice(0, 1);
    await scenario.refresh();
    expect(await scenario.up(declared)).toBe("update");
    expect(jobs().map(({ targetNode }) => targetNode)).toEqual(["a3", "a2"]);
  });

  it("says which job is disabled, and changes nothing", async () => {
    await inUse();
    scenario.a.replicationJobs[0]!.disabled = true;
    expect(await scenario.refresh()).toEqual(["it is not replicated to a2"]);
    await expect(scenario.up(declared)).rejects.toThrow(/Replication job \d+-0 on a, to a2, is disabled/);
  });

  it("is kept while it is in use; then replicas and jobs go before their owner", async () => {
    await inUse();
    await expect(scenario.destroy()).rejects.toThrow(/is kept, because it is in use/);
    expect(jobs()).toHaveLength(1);
    scenario.kubernetes.setReplicas(0);
    await scenario.destroy();
    const names = scenario.world.calls.map(({ name }) => name);
    expect(names.indexOf("replication.remove")).toBeGreaterThan(-1);
    expect(names.indexOf("replication.remove")).toBeLessThan(names.indexOf("qemu.delete"));
    expect([scenario.owners(), jobs(), scenario.litter()]).toEqual([[], [], []]);
  });

  it("keeps its disk while a replica cannot be removed", async () => {
    await scenario.up(declared);
    scenario.a.removesReplicas = false;
    await expect(scenario.destroy()).rejects.toThrow(/replicas of volume data are still there 15 minutes after.*Its disk is kept/);
    expect(scenario.owners()).toEqual(["a/a1 settled"]);
    scenario.a.removesReplicas = true;
    await scenario.destroy();
    expect([scenario.owners(), jobs(), scenario.litter()]).toEqual([[], [], []]);
  });
});

describe("what is refused in the preview", () => {
  const cases: [string, object, RegExp][] = [
    ["one zone", { replicate: { zones: ["a1"] } }, /replicate\.zones.*name at least two zones/],
    ["a zone twice", { replicate: { zones: ["a1", "a1"] } }, /names a zone twice/],
    ["no region", { region: undefined }, /region: is needed with replicate/],
    ["a zone beside it", { zone: "a1" }, /zone: goes without replicate/],
    ["a node that is not there", { replicate: { zones: ["a1", "b1"] } }, /cannot be replicated: a has no node b1/],
    ["a storage that is no ZFS", { storageClass: "fast" }, /storage fast is of type dir, and Proxmox replicates ZFS only/],
    ["a shared storage", { storageClass: "common" }, /is shared by the nodes and needs no replication/],
    ["the attribute of the plugin", { attributes: { replicate: true } }, /is said by replicate: \{ zones \}/],
  ];
  it.each(cases)("%s", async (_what, args, reason) => {
    await expect(scenario.preview({ ...declared, ...args })).rejects.toThrow(reason);
    expect(scenario.owners()).toEqual([]);
  });

  it("a storage without room", async () => {
    scenario.a.storages.tank!.usedBytes = scenario.a.storages.tank!.totalBytes - 1024 ** 3;
    await expect(scenario.preview(declared)).rejects.toThrow(/tank/);
  });

  it("a token that may not replicate", async () => {
    grant(false);
    await expect(scenario.preview(declared)).rejects.toThrow(/the token of a lacks VM\.Replicate on \/vms or \/pool\/prod/);
  });

  it("other zones or another region for a volume that exists", async () => {
    await scenario.up(declared);
    await expect(scenario.preview({ ...declared, replicate: { zones: ["a1", "a3"] } })).rejects.toThrow(/replicate: cannot be changed/);
    await expect(scenario.preview({ ...declared, replicate: undefined })).rejects.toThrow(/replicate: cannot be changed/);
    await expect(scenario.preview({ ...declared, region: "b", allowMove: true })).rejects.toThrow(/does not change its region/);
  });
});

const FAULTS: Fault[] = ["kill", "kill-after", "lose-reply", "refuse", "fail-task"];
describe.each(FAULTS)("%s at every call of", (fault) => {
  const sweep = (...steps: SweepSteps) => sweepFault(fault, begin, ...steps);
  const gone = async () => {
    await scenario.destroy();
    expect([scenario.owners(), jobs(), scenario.litter()]).toEqual([[], [], []]);
  };

  it("the creation", async () => {
    const after = async () => {
      scenario.kubernetes.setReplicas(1);
      scenario.kubernetes.write("orders");
      await expectReplicated("a1", "a2");
    };
    expect(
      await sweep(
        async () => undefined,
        () => scenario.up(declared),
        after,
      ),
    ).toBeGreaterThan(3);
  });

  it("the deletion", async () => {
    const before = async () => {
      await scenario.up(declared);
    };
    expect(await sweep(before, () => scenario.destroy(), gone)).toBeGreaterThan(1);
  });

  it("giving a job back", async () => {
    const before = async () => {
      await inUse();
      podMovesTo("a2");
      scenario.a.replicationJobs.splice(0);
      await scenario.refresh();
    };
    expect(
      await sweep(
        before,
        () => scenario.up(declared),
        () => expectReplicated("a2", "a1"),
      ),
    ).toBeGreaterThan(0);
  });
});
