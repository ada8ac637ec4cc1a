/** A Kubernetes volume through its life, and that life interrupted at every call to Proxmox and to Kubernetes. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PersistentVolume } from "../../src/kubernetes";
import { systemClock } from "../../src/proxmox";
import type { Fault } from "../support/fake-world";
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
const moves = { allowMove: true, quiesce: QUIESCE };

/** A volume in `a/a1` whose pod has written to it. */
async function inUse(): Promise<void> {
  await scenario.up(here);
  scenario.kubernetes.setReplicas(1);
  scenario.kubernetes.write("orders");
}

/** The pod has the data, and nothing that must not happen has happened. */
function expectData(place: { region: string; zone: string }): void {
  expect([...scenario.world.violations]).toEqual([]);
  expect(scenario.writes()).toEqual(["filesystem", "orders"]);
  expect(scenario.kubernetes.podNode).toBe(place.zone);
}

async function expectServing(place: { region: string; zone: string }): Promise<void> {
  expect(scenario.litter()).toEqual([]);
  expectData(place);
  expect(scenario.owners()).toEqual([`${place.region}/${place.zone} settled`]);
  expect((await scenario.preview({ ...place, ...moves })).step).toBe("same");
  expect(await scenario.refresh()).toBeUndefined();
}

describe("a volume", () => {
  it("is created once, mounted once blank, and needs nothing more", async () => {
    await inUse();
    await expectServing(here);
  });

  it.each([
    ["zone", { region: "a", zone: "a2" }],
    ["region", { region: "b", zone: "b1" }],
  ])("moves to another %s with its data, claim and pod", async (_kind, there) => {
    await inUse();
    const handle = scenario.state!.outputs.volumeHandle;
    expect(await scenario.up({ ...there, ...moves })).toBe("replace");
    await expectServing(there);
    expect(scenario.state!.outputs.volumeHandle).not.toBe(handle);
  });

  it("is refused another place without allowMove, and while in use without quiesce", async () => {
    await inUse();
    await expect(scenario.preview({ region: "b", zone: "b1" })).rejects.toThrow(
      /must leave a\/a1 for b\/b1.*in use: pods default\/db-0.*Set allowMove/s,
    );
    await expect(scenario.preview({ region: "b", zone: "b1", allowMove: true })).rejects.toThrow(
      /in use: pods default\/db-0; attachments csi-1 \(on a1\)/,
    );
    await expectServing(here);
  });

  it("on shared storage belongs to its region, whatever node its owner is on", async () => {
    await scenario.up({ region: "a", storageClass: "common" });
    expect(scenario.state!.outputs.volumeHandle).toMatch(/^a\/\/common\//);
    for (const guest of scenario.a.guests.values()) if (guest.config.template === "1") guest.node = guest.node === "a1" ? "a2" : "a1";
    expect((await scenario.preview({ region: "a", storageClass: "common" })).step).toBe("same");
    await expect(scenario.preview({ region: "a", storageClass: "common", shared: false })).rejects.toThrow(/is shared by its nodes/);
  });

  it("is not made anew and empty when its disk is gone", async () => {
    await inUse();
    scenario.kubernetes.setReplicas(0);
    for (const [vmid, guest] of scenario.a.guests) if (guest.config.template === "1") scenario.a.guests.delete(vmid);
    await scenario.refresh();
    expect(scenario.state).toBeUndefined();
    await expect(scenario.up(here)).rejects.toThrow(/an empty one is never put in its place/);
  });

  it("grows through its owner while nobody has it", async () => {
    await scenario.up(here);
    expect(await scenario.up({ ...here, size: "3GiB" })).toBe("update");
    expect([...scenario.kubernetes.volumes.values()].map((volume) => volume.spec?.capacity?.storage)).toEqual(["3Gi"]);
    expect((await scenario.preview({ ...here, size: "3GiB" })).step).toBe("same");
    await expect(scenario.preview(here)).rejects.toThrow(/disks only grow/);
  });

  it("is refused growth in the preview for which its storage has no room", async () => {
    await scenario.up(here);
    const { fast } = scenario.a.storages;
    fast!.usedBytes = fast!.totalBytes - 1024 ** 3;
    await expect(scenario.preview({ ...here, size: "4GiB" })).rejects.toThrow(/cannot grow: storage fast of a\/a1 has .* 2 GiB needed/);
    // What it has is no matter of room.
    expect((await scenario.preview(here)).step).toBe("same");
    fast!.usedBytes = 0;
    expect(await scenario.up({ ...here, size: "4GiB" })).toBe("update");
  });

  it("whose owner somebody has moved goes back to its zone, once nobody uses it", async () => {
    await inUse();
    const owner = [...scenario.a.guests.values()].find((guest) => guest.config.template === "1")!;
    owner.node = "a2";
    expect(await scenario.refresh()).toEqual(["its disk is on node a2 instead of a1"]);
    await expect(scenario.up({ ...here, ...moves, quiesce: undefined })).rejects.toThrow(/is in use: pods default\/db-0/);
    scenario.kubernetes.setReplicas(0);
    expect(await scenario.up({ ...here, ...moves })).toBe("update");
    scenario.kubernetes.setReplicas(1);
    await expectServing(here);
  });

  it("is planned with a warning while Kubernetes does not answer, and changed only when it does", async () => {
    await inUse();
    scenario.world.fault = (call) => (call.cluster === "kubernetes" ? "offline" : undefined);
    expect((await scenario.preview(here)).step).toBe("same");
    expect(scenario.world.reports.at(-1)).toMatch(/planned without a look at Kubernetes/);
    expect(await scenario.refresh()).toBeUndefined();
    await expect(scenario.up({ region: "b", zone: "b1", ...moves })).rejects.toThrow();
    scenario.world.fault = () => undefined;
    await expectServing(here);
  });

  it("is kept while it is in use, and leaves nothing behind", async () => {
    await inUse();
    await expect(scenario.destroy()).rejects.toThrow(/is kept, because it is in use: pods default\/db-0/);
    scenario.kubernetes.setReplicas(0);
    await scenario.destroy();
    expect(scenario.owners()).toEqual([]);
    expect(scenario.litter()).toEqual([]);
    expect(scenario.kubernetes.claim).toBeUndefined();
  });

  it("gets its claim and its pod back when the move fails", async () => {
    await inUse();
    scenario.world.fault = (call) => (call.name === "backup.start" ? "fail-task" : undefined);
    await expect(scenario.up({ region: "b", zone: "b1", ...moves })).rejects.toThrow();
    scenario.world.fault = () => undefined;
    await expectServing(here);
  });

  it("is not moved by a workload that deletes its claims when it is scaled down", async () => {
    await inUse();
    scenario.kubernetes.whenScaled = "Delete";
    const why = /StatefulSet default\/db, named as quiesce, deletes the claims of its replicas when it is scaled down/;
    await expect(scenario.preview({ region: "b", zone: "b1", ...moves })).rejects.toThrow(why);
    await expectServing(here);
    scenario.kubernetes.whenScaled = "Retain";
    scenario.world.fault = (call) => {
      // After the preview.
      if (call.name === "kubernetes.findReplicas") scenario.kubernetes.whenScaled = "Delete";
      return undefined;
    };
    await expect(scenario.up({ region: "b", zone: "b1", ...moves })).rejects.toThrow(why);
    scenario.world.fault = () => undefined;
    await expectServing(here);
  });

  it("keeps the note of its claim while a pod holds that, and gets both back once it is gone", async () => {
    await inUse();
    scenario.kubernetes.claimHeld = true;
    await expect(scenario.up({ region: "b", zone: "b1", ...moves })).rejects.toThrow(
      /a pod holds it.*could not be put back either: Claim default\/data .* is being deleted, and a pod still holds it/s,
    );
    scenario.kubernetes.claimHeld = false;
    expect((await scenario.preview({ ...here, ...moves })).inputs.recovery).toMatch(/is undone: claim and workload are put back/);
    expect(await scenario.up({ ...here, ...moves })).toBe("update");
    await expectServing(here);
  });

  describe("interrupted once its workload was scaled down", () => {
    const there = { region: "b", zone: "b1" };
    beforeEach(async () => {
      await inUse();
      scenario.world.fault = (call) => (call.name === "backup.start" ? "kill-after" : undefined);
      await expect(scenario.up({ ...there, ...moves })).rejects.toThrow();
      scenario.world.fault = () => undefined;
      scenario.world.revive(60_000);
    });

    it("is finished though the workload is gone since", async () => {
      scenario.kubernetes.setReplicas(undefined);
      expect(await scenario.up({ ...there, allowMove: true })).toBe("replace");
      expect(scenario.litter()).toEqual([]);
      expect(scenario.world.reports).toContainEqual(
        expect.stringMatching(/StatefulSet default\/db, which was scaled down for it, is gone/),
      );
      expect((await scenario.preview({ ...there, allowMove: true })).step).toBe("same");
    });

    it("leaves the workload at the number that somebody has given it since", async () => {
      scenario.kubernetes.setReplicas(1);
      const scaled: unknown[] = [];
      scenario.kubernetes.scale = async (_workload, replicas) => void scaled.push(replicas);
      await scenario.up({ ...here, allowMove: true });
      expect(scaled).toEqual([]);
      await expectServing(here);
    });

    it("scales up again what the program no longer names, and both come back", async () => {
      scenario.kubernetes.otherReplicas.set("writer", 4);
      // The pod of the former workload waits for the claim, which is gone: it is in nobody's way.
      await scenario.up({ ...there, allowMove: true, quiesce: { ...QUIESCE, kind: "Deployment", name: "writer" } });
      expect(scenario.kubernetes.otherReplicas.get("writer")).toBe(4);
      expect(scenario.kubernetes.replicas).toBe(1);
      await expectData(there);
    });
  });

  it.each([
    ["zone", { region: "a", zone: "a2" }],
    ["region", { region: "b", zone: "b1" }],
  ])("moves to another %s with the bytes it has grown to through its claim, and asks for room for them", async (_kind, there) => {
    await scenario.up(here);
    scenario.a.volumes.get(scenario.state!.outputs.volid as string)!.sizeBytes = 30 * 1024 ** 3;
    await scenario.refresh();
    expect((await scenario.preview({ ...there, ...moves })).inputs.migration).toMatchObject({ transfer: expect.stringMatching(/30 ?GiB/) });
    const target = there.region === "a" ? scenario.a : scenario.b;
    const { fast } = target.storages;
    // After the reserve of a tenth.
    fast!.usedBytes = fast!.totalBytes * 0.9 - 10 * 1024 ** 3;
    if (there.region === "a")
      await expect(scenario.preview({ ...there, ...moves })).rejects.toThrow(
        /has grown beyond its declared size: storage fast of a\/a2 has .*, 30 GiB/,
      );
  });

  it.each([
    ["zone", { region: "a", zone: "a2" }],
    ["region", { region: "b", zone: "b1" }],
  ])(
    "moves to another %s though somebody has taken the label off, and is not moved under its pod without the mark",
    async (_kind, there) => {
      await inUse();
      const metadata = () => [...scenario.kubernetes.volumes.values()][0]!.metadata!;
      const { annotations } = structuredClone(metadata());
      delete metadata().annotations;
      await expect(scenario.up({ ...there, ...moves })).rejects.toThrow(/vm 900/);
      expectData(here);
      expect(await scenario.refresh()).toEqual([expect.stringMatching(/^PersistentVolume .* is gone$/)]);
      metadata().annotations = annotations;
      delete metadata().labels;
      expect(await scenario.up({ ...there, ...moves })).toBe("replace");
      await expectServing(there);
      expect(metadata().labels).toEqual({ "proxmox-federation/volume": expect.any(String) });
      delete metadata().labels;
      await scenario.up({ ...there, ...moves, size: "2GiB", description: "again" });
      expect(metadata().labels).toEqual({ "proxmox-federation/volume": expect.any(String) });
    },
  );

  it("is not registered a second time while another PersistentVolume names its disk", async () => {
    await scenario.up(here);
    const { volumes } = scenario.kubernetes;
    const [[name, volume]] = [...volumes] as [[string, PersistentVolume]];
    volumes.set("copy", { ...volume, metadata: { name: "copy", uid: "copy" } });
    volumes.delete(name);
    await scenario.refresh();
    await expect(scenario.up(here)).rejects.toThrow(/PersistentVolume copy names the disk of volume data .* A second one .* is not made/);
    expect([...volumes.keys()]).toEqual(["copy"]);
    expect(volumes.get("copy")!.metadata).toEqual({ name: "copy", uid: "copy" });
  });

  it("is not registered with another Kubernetes cluster while a pod of the former one writes to it", async () => {
    await inUse();
    const { kubernetes } = scenario;
    const attachments = await kubernetes.listVolumeAttachments();
    kubernetes.volumes.clear();
    kubernetes.claim = undefined;
    kubernetes.listVolumeAttachments = () => Promise.resolve([]);
    await scenario.refresh();
    await expect(scenario.up(here)).rejects.toThrow(/is not registered with Kubernetes .*: vm 900 \(scsi1\) on a has its disk/);
    expect([kubernetes.volumes.size, kubernetes.claim]).toEqual([0, undefined]);
    // Of this cluster: somebody has deleted the PersistentVolume under its pod.
    kubernetes.listVolumeAttachments = () => Promise.resolve(attachments);
    expect(await scenario.up(here)).toBe("update");
    await expectServing(here);
  });

  it("asks its claim for no less than somebody has asked it for", async () => {
    await inUse();
    const requests = () => scenario.kubernetes.claim!.spec!.resources!.requests!;
    requests().storage = "9Gi";
    await expect(scenario.up({ ...here, size: "3GiB" })).rejects.toThrow(/has not grown to 3Gi/);
    expect(requests().storage).toBe("9Gi");
  });

  it("gets its claim and its pod back when the move is given up after a kill", async () => {
    await inUse();
    scenario.world.fault = (call) => (call.name === "backup.start" ? "kill-after" : undefined);
    await expect(scenario.up({ region: "b", zone: "b1", ...moves })).rejects.toThrow();
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    expect(scenario.kubernetes.podNode).toBeUndefined();
    expect((await scenario.preview({ ...here, ...moves })).inputs.recovery).toBeDefined();
    expect(await scenario.up({ ...here, ...moves })).toBe("update");
    await expectServing(here);
  });
});

describe("interrupted at every call, one more run converges", () => {
  const faults: Fault[] = ["kill", "kill-after", "lose-reply", "refuse"];
  const sweep = (fault: Fault, ...steps: SweepSteps) =>
    sweepFault(
      fault,
      () => {
        scenario = new VolumeScenario();
        return scenario;
      },
      ...steps,
    );

  it.each(faults)("%s in a create", async (fault) => {
    const points = await sweep(
      fault,
      async () => undefined,
      () => scenario.up(here),
      async () => {
        scenario.kubernetes.setReplicas(1);
        scenario.kubernetes.write("orders");
        await expectServing(here);
      },
    );
    expect(points).toBeGreaterThan(4);
  });

  it.each(faults)("%s in a move to another zone", async (fault) => {
    const there = { region: "a", zone: "a2" };
    const points = await sweep(
      fault,
      inUse,
      () => scenario.up({ ...there, ...moves }),
      () => expectServing(there),
    );
    expect(points).toBeGreaterThan(8);
  });

  it.each(faults)("%s in a move to another region", async (fault) => {
    const there = { region: "b", zone: "b1" };
    const points = await sweep(
      fault,
      inUse,
      () => scenario.up({ ...there, ...moves }),
      () => expectServing(there),
    );
    expect(points).toBeGreaterThan(20);
  });

  it.each([
    ["zone", { region: "a", zone: "a2" }],
    ["region", { region: "b", zone: "b1" }],
  ])("killed in a move to another %s, given up, and done after all", async (_kind, there) => {
    const points = await sweep(
      "kill",
      inUse,
      () => scenario.up({ ...there, ...moves }),
      () => expectServing(there),
      async () => {
        await scenario.up({ ...here, ...moves });
        await expectServing(here);
      },
    );
    expect(points).toBeGreaterThan(8);
  });

  it.each(faults)("%s in a destroy", async (fault) => {
    const points = await sweep(
      fault,
      () => scenario.up(here).then(() => undefined),
      () => scenario.destroy(),
      async () => {
        expect(scenario.owners()).toEqual([]);
        expect(scenario.litter()).toEqual([]);
      },
    );
    expect(points).toBeGreaterThan(3);
  });
});
