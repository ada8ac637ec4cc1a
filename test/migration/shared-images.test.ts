/** Two clusters that keep images on one storage: what carries the number of a guest there may be the other cluster's. */
import { describe, expect, it } from "vitest";
import { type PreflightFacts, preflight, type Route } from "../../src/migration";
import { sharedImagesFindings } from "../../src/migration/preflight/shared-images";
import type { StorageDefinition } from "../../src/proxmox";
import { guestRow } from "../support/fake-federation";
import {
  attempt,
  attemptOrDie,
  flawsOfFinished,
  flawsOfRolledBack,
  markOf,
  oneMoveScenarioAtATime,
  SOURCE_VMID,
} from "../support/move-scenario";

const begin = oneMoveScenarioAtATime();
const FOREIGN = { volid: "slow:vm-100-disk-7", vmid: 100, sizeBytes: 1, writes: ["theirs"] };

describe("a move to a cluster that shows a volume with the guest's number, made by nobody of ours,", () => {
  it.each([false, true])("is refused before anything is shut down, and the volume stays (on a backup server: %s)", async (warm) => {
    const scenario = begin({ warm });
    scenario.b.volumes.set(FOREIGN.volid, { ...FOREIGN });
    let everDown = false;
    scenario.world.addLaw(() => {
      everDown ||= scenario.a.guests.get(SOURCE_VMID)?.power !== "running";
      return [];
    });
    expect(await attempt(scenario)).toMatchObject({
      ok: false,
      error: {
        message: expect.stringMatching(
          /Nothing is restored to vm 100 on b\/b1: slow:vm-100-disk-7 carries its number.*pvesm free slow:vm-100-disk-7/s,
        ),
      },
    });
    expect(everDown).toBe(false);
    expect(scenario.b.volumes.get(FOREIGN.volid)?.writes).toEqual(["theirs"]);
    scenario.b.volumes.delete(FOREIGN.volid);
    expect(flawsOfRolledBack(scenario, { warm })).toEqual([]);
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario, { warm })).toEqual([]);
  });

  it("does not free it either when it appears while the restore runs", async () => {
    const scenario = begin();
    scenario.world.fault = ({ name, cluster }) => {
      if (name === "qemu.create" && cluster === "b" && markOf(scenario.a, SOURCE_VMID)?.move?.step === "restoring")
        scenario.b.volumes.set(FOREIGN.volid, { ...FOREIGN });
      return undefined;
    };
    await attempt(scenario);
    expect(scenario.b.volumes.get(FOREIGN.volid)?.writes).toEqual(["theirs"]);
  });

  it("takes what a killed restore of ours has left for its own", async () => {
    const scenario = begin();
    scenario.world.fault = ({ name, cluster }) =>
      name === "qemu.create" && cluster === "b" && markOf(scenario.a, SOURCE_VMID)?.move?.step === "restoring"
        ? "kill-task"
        : name === "tasks.wait" && markOf(scenario.a, SOURCE_VMID)?.move?.step === "restoring"
          ? "kill"
          : undefined;
    expect(await attemptOrDie(scenario)).toBe("killed");
    scenario.world.fault = () => undefined;
    scenario.world.revive(60_000);
    expect(scenario.b.volumes.size).toBe(1);
    expect(await attempt(scenario)).toEqual({ ok: true });
    expect(flawsOfFinished(scenario)).toEqual([]);
  });
});

const ROUTE: Route = { source: "a", target: "b", method: "backup-restore", compression: true };
const nfs = (storage: string, server: string): StorageDefinition => ({
  storage,
  type: "nfs",
  content: ["images"],
  shared: true,
  raw: { server, export: "/tank" },
});

function findings(targetVolids: string[], vmidTaken: boolean, target = nfs("there", "10.0.0.5")): string[] {
  const facts: Pick<PreflightFacts, "guest" | "config" | "targetNode" | "vmidTaken" | "images"> = {
    guest: guestRow({ vmid: 100 }),
    config: { digest: "", values: { scsi0: "here:100/vm-100-disk-0.raw,size=8G" } },
    targetNode: "b1",
    vmidTaken,
    images: { targetVolids, source: [nfs("here", "10.0.0.5")], target: [target] },
  };
  return sharedImagesFindings(ROUTE, facts as PreflightFacts);
}

describe("the preview", () => {
  it("says so when volumes carry the guest's number and no guest of the target has it", () => {
    expect(findings(["there:100/vm-100-disk-0.raw"], false)).toEqual([
      expect.stringMatching(/^there:100\/vm-100-disk-0.raw on b\/b1 carries the number of vm 100, though b has no such guest/),
    ]);
  });

  it("says so when both clusters have such a guest with disks in the same place", () => {
    expect(findings(["there:100/vm-100-disk-0.raw"], true)).toEqual([
      expect.stringMatching(
        /storage here of a and there of b are the same place \(nfs 10\.0\.0\.5 \/tank\), and both clusters have a vm 100/,
      ),
    ]);
  });

  it.each<[string, string[], boolean, StorageDefinition | undefined]>([
    ["nothing carries the number", [], false, undefined],
    ["the target's guest of that number has its disk elsewhere", ["there:100/vm-100-disk-0.raw"], true, nfs("there", "10.0.0.6")],
    ["the target's guest of that number has a disk of another name", ["there:100/vm-100-disk-1.raw"], true, undefined],
    [
      "the storage is local to each cluster",
      ["local:100/vm-100-disk-0.raw"],
      true,
      { ...nfs("local", ""), type: "dir", raw: { path: "/tank" } },
    ],
  ])("says nothing when %s", (_what, volids, taken, definition) => {
    expect(findings(volids, taken, definition)).toEqual([]);
  });

  it("counts it among what would make a move fail", () => {
    const facts = { images: { targetVolids: ["there:vm-100-disk-0"], source: [], target: [] }, guest: guestRow({ vmid: 100 }) };
    const all = preflight({ ...ROUTE, store: undefined } as unknown as Route, {
      ...facts,
      config: { digest: "", values: {} },
      sourcePermissions: {},
      targetPermissions: {},
      targetStorages: [],
      targetBridges: [],
      targetNodeStorages: [],
      leastArchiveBytes: 0,
      attachedVolids: new Set(),
      remote: { online: false, storageTypes: { source: {}, target: {} } },
    });
    expect(all.join()).toMatch(/carries the number of vm 100/);
  });
});
