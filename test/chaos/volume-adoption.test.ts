/** A volume of the CSI plugin taken over, given an owner and moved; each interrupted at every call to Proxmox and to Kubernetes. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PersistentVolume } from "../../src/kubernetes";
import { diffVolume } from "../../src/providers/volume/volume";
import { systemClock } from "../../src/proxmox";
import type { Fault } from "../support/fake-world";
import { addPluginVolume, PLUGIN_HANDLE, PLUGIN_VOLID, PLUGIN_VOLUME, pluginPersistentVolume } from "../support/plugin-volume";
import { QUIESCE, VolumeScenario } from "../support/volume-scenario";
import { type SweepSteps, sweepFault } from "../support/volume-sweep";

let scenario: VolumeScenario;
beforeEach(() => {
  scenario = new VolumeScenario();
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const here = { region: "a", zone: "a1" };
const adopt = { persistentVolume: PLUGIN_VOLUME };
const adopting = { ...here, adopt };
const owning = { ...here, adopt: { ...adopt, takeOwnership: true }, quiesce: QUIESCE };

/** A volume of the plugin, used by a pod. */
async function inUse(): Promise<void> {
  addPluginVolume(scenario);
  scenario.kubernetes.setReplicas(1);
  expect(scenario.kubernetes.podNode).toBe("a1");
}

function volumeOf(name: string): PersistentVolume {
  return scenario.kubernetes.volumes.get(name)!;
}

/** Nothing that must not happen has happened, and the pod has the data. */
function expectData(node: string): void {
  expect([...scenario.world.violations]).toEqual([]);
  expect(scenario.kubernetes.podNode).toBe(node);
  expect(scenario.kubernetes.formatted).toEqual([]);
  expect(scenario.writes()).toEqual(["filesystem", "orders"]);
}

/** Taken over as it is: the names are the plugin's, the mark is ours, and nothing on Proxmox has changed. */
async function expectInPlace(): Promise<void> {
  expectData("a1");
  expect([...scenario.kubernetes.volumes.keys()]).toEqual([PLUGIN_VOLUME]);
  const { metadata, spec } = volumeOf(PLUGIN_VOLUME);
  expect(JSON.parse(metadata?.annotations?.["proxmox-federation/mark"] ?? "")).toMatchObject({ name: "pv/data", adopted: true });
  expect(spec).toMatchObject({ persistentVolumeReclaimPolicy: "Retain", csi: { volumeHandle: PLUGIN_HANDLE } });
  expect([...scenario.a.volumes.keys()]).toEqual([PLUGIN_VOLID]);
  expect(scenario.owners()).toEqual([]);
  expect((await scenario.preview(adopting)).step).toBe("same");
  expect(await scenario.refresh()).toBeUndefined();
}

/** The disk is that of an owner of ours, and the volume one like any other. */
async function expectOwned(): Promise<void> {
  expectData("a1");
  expect(scenario.litter()).toEqual([]);
  expect(scenario.owners()).toEqual(["a/a1 settled"]);
  const [[name, { spec }]] = [...scenario.kubernetes.volumes] as [[string, PersistentVolume]];
  expect(name).not.toBe(PLUGIN_VOLUME);
  expect(spec?.csi?.volumeHandle).toMatch(/^a\/a1\/fast\/vm-\d+-disk-0$/);
  expect(scenario.a.volumes.has(PLUGIN_VOLID)).toBe(false);
  const owner = [...scenario.a.guests.values()].find(({ config }) => config.template === "1")!;
  expect(owner.config).toMatchObject({ protection: "1", scsi0: expect.not.stringContaining("backup=0") });
  expect((await scenario.preview(owning)).step).toBe("same");
  expect((await scenario.preview({ ...here })).step).toBe("same");
  expect(await scenario.refresh()).toBeUndefined();
}

describe("a volume of the plugin", () => {
  it("is taken over as it is, under its pod, and the preview says so", async () => {
    await inUse();
    const { step, inputs } = await scenario.preview(adopting);
    expect(step).toBe("create");
    expect(inputs.adoption).toBe(`${PLUGIN_VOLUME} (2GiB) is taken over as it is: nothing is copied or renamed`);
    await scenario.up(adopting);
    await expectInPlace();
    expect(scenario.state!.outputs).toMatchObject({ persistentVolume: PLUGIN_VOLUME, volumeHandle: PLUGIN_HANDLE, volid: PLUGIN_VOLID });
  });

  it("shows no drift right after it was taken over", async () => {
    await inUse();
    await scenario.up(adopting);
    await scenario.refresh();
    expect(diffVolume(scenario.state!.outputs, scenario.state!.inputs)).toEqual({ changes: false, replaces: [] });
  });

  it("is found by its handle too", async () => {
    await inUse();
    await scenario.up({ ...here, adopt: { volumeHandle: PLUGIN_HANDLE } });
    await expectInPlace();
  });

  it("keeps volume, claim and disk when the program gives it up", async () => {
    await inUse();
    await scenario.up(adopting);
    await scenario.destroy();
    expect(scenario.kubernetes.podNode).toBe("a1");
    expect(scenario.kubernetes.claim).toBeDefined();
    expect([...scenario.a.volumes.keys()]).toEqual([PLUGIN_VOLID]);
    const { metadata, spec } = volumeOf(PLUGIN_VOLUME);
    expect(metadata).toMatchObject({ labels: {}, annotations: { "pv.kubernetes.io/provisioned-by": "csi.proxmox.sinextra.dev" } });
    expect(spec?.persistentVolumeReclaimPolicy).toBe("Retain");
    await scenario.up(adopting);
    await expectInPlace();
  });

  it("whose mark somebody has taken off gets it back", async () => {
    await inUse();
    await scenario.up(adopting);
    const volume = volumeOf(PLUGIN_VOLUME);
    delete volume.metadata!.annotations!["proxmox-federation/mark"];
    expect(await scenario.refresh()).toEqual([`PersistentVolume ${PLUGIN_VOLUME} does not carry its mark`]);
    expect(await scenario.up(adopting)).toBe("update");
    await expectInPlace();
  });

  it("leaves the state when its PersistentVolume is gone, and its disk stays", async () => {
    await inUse();
    await scenario.up(adopting);
    scenario.kubernetes.volumes.delete(PLUGIN_VOLUME);
    await scenario.refresh();
    expect(scenario.state).toBeUndefined();
    await expect(scenario.up(adopting)).rejects.toThrow(/there is no PersistentVolume pvc-/);
    expect(scenario.a.volumes.has(PLUGIN_VOLID)).toBe(true);
  });

  it("gets an owner without a copy, and then moves like any other", async () => {
    await inUse();
    await scenario.up(adopting);
    await expect(scenario.preview({ region: "b", zone: "b1", adopt, allowMove: true })).rejects.toThrow(
      /it is in a\/a1, not in b\/b1, and no guest of ours owns its disk.*takeOwnership: true/,
    );
    const { step, inputs } = await scenario.preview(owning);
    expect([step, inputs.adoption]).toEqual(["update", expect.stringMatching(/^.{0,150}$/)]);
    expect(inputs.adoption).toMatch(/gets an owner VM: its disk is renamed, not copied.*; its pods restart$/);
    await scenario.up(owning);
    await expectOwned();
    const there = { region: "b", zone: "b1", adopt, allowMove: true, quiesce: QUIESCE };
    expect(await scenario.up(there)).toBe("replace");
    expectData("b1");
    expect(scenario.litter()).toEqual([]);
    expect((await scenario.preview(there)).step).toBe("same");
  });

  it("says in the preview that its pods restart, however long its name is", async () => {
    addPluginVolume(scenario);
    const { volumes, claim } = scenario.kubernetes;
    const name = `${"long-".repeat(49)}name`;
    volumes.set(name, { ...pluginPersistentVolume(), metadata: { name, uid: "pv-of-the-plugin" } });
    volumes.delete(PLUGIN_VOLUME);
    claim!.spec!.volumeName = name;
    scenario.kubernetes.setReplicas(1);
    const { inputs } = await scenario.preview({ ...owning, adopt: { persistentVolume: name, takeOwnership: true } });
    expect(inputs.adoption).toMatch(/^(?=.{0,150}$)long-.*; its pods restart$/);
  });

  it("tells that an owner takes it out of its worker's backups", async () => {
    await inUse();
    volumeOf(PLUGIN_VOLUME).spec!.csi!.volumeAttributes!.backup = "1";
    await scenario.up(adopting);
    expect(scenario.world.reports.filter((line) => line.includes("backups"))).toEqual([]);
    await scenario.preview(owning);
    expect(scenario.world.reports).toContainEqual(expect.stringMatching(/^warning: volume data is part of its worker's backups/));
  });

  it("keeps its disk when it gets an owner, though somebody has set its reclaim policy back", async () => {
    await inUse();
    await scenario.up(adopting);
    volumeOf(PLUGIN_VOLUME).spec!.persistentVolumeReclaimPolicy = "Delete";
    await scenario.up(owning);
    await expectOwned();
  });

  it("has claim and pod again when the program gives it up after an interrupted change of owner", async () => {
    await inUse();
    await scenario.up(adopting);
    scenario.world.fault = (call) => (call.name === "kubernetes.deleteClaim" ? "kill-after" : undefined);
    await expect(scenario.up(owning)).rejects.toThrow();
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    expect(scenario.kubernetes.podNode).toBeUndefined();
    await scenario.destroy();
    expect(scenario.kubernetes.podNode).toBe("a1");
    expect(volumeOf(PLUGIN_VOLUME).metadata).toMatchObject({
      labels: {},
      annotations: { "pv.kubernetes.io/provisioned-by": expect.anything() },
    });
    expect(Object.keys(volumeOf(PLUGIN_VOLUME).metadata!.annotations!)).toHaveLength(1);
  });

  it("is refused growth in the preview for which its storage has no room", async () => {
    await inUse();
    await scenario.up(adopting);
    const { fast } = scenario.a.storages;
    fast!.usedBytes = fast!.totalBytes - 1024 ** 3;
    await expect(scenario.preview({ ...adopting, size: "4GiB" })).rejects.toThrow(/cannot grow: storage fast of a\/a1 has .* 2 GiB needed/);
    expect((await scenario.preview(adopting)).step).toBe("same");
  });

  it("gets an owner only once nobody uses it, and grows detached from then on", async () => {
    await inUse();
    await scenario.up(adopting);
    const alone = { ...owning, quiesce: undefined };
    await expect(scenario.preview(alone)).rejects.toThrow(/gets an owner, but it is in use: pods default\/db-0/);
    scenario.kubernetes.setReplicas(0);
    await expect(scenario.up({ ...adopting, size: "3GiB" })).rejects.toThrow(/cannot grow while it is detached/);
    await scenario.up(alone);
    expect(await scenario.up({ ...alone, size: "3GiB" })).toBe("update");
    scenario.kubernetes.setReplicas(1);
    expectData("a1");
    expect(scenario.state!.outputs.sizeBytes).toBe(3 * 1024 ** 3);
  });
});

describe("what is refused, with nothing changed", () => {
  const rival = { metadata: { name: "rival" }, spec: pluginPersistentVolume().spec };
  const marked = (mark: object) => {
    volumeOf(PLUGIN_VOLUME).metadata!.annotations!["proxmox-federation/mark"] = JSON.stringify(mark);
  };
  const cases: [string, () => void, Parameters<VolumeScenario["up"]>[0], RegExp][] = [
    ["one that does not exist", () => undefined, { adopt: { persistentVolume: "none" } }, /there is no PersistentVolume none/],
    ["no name at all", () => undefined, { adopt: {} }, /give either persistentVolume or volumeHandle/],
    [
      "another driver's",
      () => Object.assign(volumeOf(PLUGIN_VOLUME).spec!.csi!, { driver: "ebs.csi.aws.com" }),
      {},
      /is not of the driver csi.proxmox.sinextra.dev, but of ebs.csi.aws.com/,
    ],
    [
      "one that the plugin replicates",
      () => Object.assign(volumeOf(PLUGIN_VOLUME).spec!.csi!.volumeAttributes!, { replicate: "true" }),
      {},
      /is replicated by the plugin/,
    ],
    [
      "the command's",
      () => marked({ federation: scenario.federation.name, stack: "federate", name: "pv/x", generation: 1, adopted: true }),
      {},
      /is being taken over by "federate volumes move"/,
    ],
    [
      "one that only says it is the command's",
      () => marked({ federation: scenario.federation.name, stack: "federate", name: "pv/x", generation: 1 }),
      {},
      /vm 9999 on a does not own its disk .* for "federate volumes move"/,
    ],
    [
      "another stack's",
      () => marked({ federation: "acme", stack: "other/prod", name: "pv/x", generation: 1 }),
      {},
      /belongs to pv\/x of stack other\/prod/,
    ],
    [
      "one of two that name the disk",
      () => scenario.kubernetes.volumes.set("rival", rival),
      {},
      /and PersistentVolume rival name the same disk/,
    ],
    ["one whose disk is gone", () => scenario.a.volumes.delete(PLUGIN_VOLID), {}, /is not listed on a\/a1.*Datastore.Audit/],
    [
      "one whose disk is smaller than it says",
      () => Object.assign(scenario.a.volumes.get(PLUGIN_VOLID)!, { sizeBytes: 1024 }),
      { size: "1KiB" },
      /they do not belong together/,
    ],
    [
      "one whose disk a guest owns",
      () => scenario.a.addGuest({ vmid: 9999, node: "a2" }),
      {},
      /belongs to vm 9999 on a, and would be deleted together with it/,
    ],
    [
      "one that a guest has behind Kubernetes' back",
      () => {
        scenario.kubernetes.setReplicas(0);
        scenario.a.addGuest({ vmid: 500, node: "a1", config: { scsi3: `${PLUGIN_VOLID},backup=0` } });
      },
      {},
      /vm 500 \(scsi3\) on a has its disk .* but Kubernetes has attached it nowhere/,
    ],
    [
      "one that a second guest has",
      () => scenario.a.addGuest({ vmid: 500, node: "a1", config: { scsi3: `${PLUGIN_VOLID},backup=0` } }),
      {},
      /is in vm 500 \(scsi3\) and vm 900 \(scsi1\) on a, but Kubernetes has attached it once/,
    ],
    [
      "a zone in the handle of a shared storage",
      () => Object.assign(volumeOf(PLUGIN_VOLUME).spec!.csi!, { volumeHandle: "a/a1/common/vm-9999-pvc-1" }),
      {},
      /names zone a1, but storage common of a is shared/,
    ],
    [
      "no zone in the handle of a local storage",
      () => Object.assign(volumeOf(PLUGIN_VOLUME).spec!.csi!, { volumeHandle: `a//fast/vm-9999-${PLUGIN_VOLUME}` }),
      {},
      /names no zone, but storage fast of a is local to each node/,
    ],
    ["another place", () => undefined, { zone: "a2" }, /it is in a\/a1, not in a\/a2\. It is taken over where it is/],
    ["more than it has", () => undefined, { size: "3GiB" }, /has 2GiB, less than the declared 3GiB/],
    ["another storage class", () => undefined, { storageClass: "common" }, /is on storage fast, and its storage class means common/],
    [
      "what it is not",
      () => undefined,
      { fsType: "xfs", storageClassName: "x", attributes: { ssd: true }, luks: { secretName: "s", secretNamespace: "n" } },
      /storageClassName is "", not "x"; luks is not set, not \{"namespace":"n","name":"s"\}; fsType is "ext4", not "xfs"; attribute ssd is false, not true/,
    ],
    ["another claim", () => undefined, { claim: { namespace: "default", name: "other" } }, /claim is .*"data".*, not .*"other"/],
  ];

  it.each(cases)("%s", async (_name, prepare, changes, message) => {
    await inUse();
    prepare();
    const before = structuredClone([scenario.kubernetes.volumes, scenario.a.volumes, scenario.a.guests]);
    await expect(scenario.up({ ...adopting, ...changes })).rejects.toThrow(message);
    expect([scenario.kubernetes.volumes, scenario.a.volumes, scenario.a.guests]).toEqual(before);
  });
});

describe("interrupted at every call, one more run converges", () => {
  const faults: Fault[] = ["kill", "kill-after", "lose-reply", "refuse"];
  const begin = () => {
    scenario = new VolumeScenario();
    return scenario;
  };
  const sweep = (fault: Fault, ...steps: SweepSteps) => sweepFault(fault, begin, ...steps);

  it.each(faults)("%s while it is taken over", async (fault) => {
    expect(await sweep(fault, inUse, () => scenario.up(adopting), expectInPlace)).toBeGreaterThan(0);
  });

  it.each(faults)("%s while it gets an owner", async (fault) => {
    const before = async () => {
      await inUse();
      await scenario.up(adopting);
    };
    expect(await sweep(fault, before, () => scenario.up(owning), expectOwned)).toBeGreaterThan(10);
  });

  it.each(faults)("%s while it is taken over and gets an owner in one run", async (fault) => {
    expect(await sweep(fault, inUse, () => scenario.up(owning), expectOwned)).toBeGreaterThan(10);
  });

  it("killed while it gets an owner, and given up: the pod has its data all the same", async () => {
    const before = async () => {
      await inUse();
      await scenario.up(adopting);
    };
    const withoutOwner = async () => {
      await scenario.up({ ...adopting, quiesce: QUIESCE });
      expectData("a1");
    };
    await sweep("kill", before, () => scenario.up(owning), expectOwned, withoutOwner);
  });

  it.each(faults)("%s while it is given up", async (fault) => {
    const before = async () => {
      await inUse();
      await scenario.up(adopting);
    };
    const after = async () => {
      expect(scenario.kubernetes.podNode).toBe("a1");
      expect(volumeOf(PLUGIN_VOLUME).metadata?.annotations).not.toHaveProperty("proxmox-federation/mark");
      expect(scenario.a.volumes.has(PLUGIN_VOLID)).toBe(true);
    };
    expect(await sweep(fault, before, () => scenario.destroy(), after)).toBeGreaterThan(0);
  });
});
