import { beforeEach, describe, expect, it } from "vitest";
import { type Route, storeOf } from "../../src/migration";
import { archiveAtTarget, archiveNote, ensureArchive, findArchive, removeArchives, waitUntilVisible } from "../../src/migration/archive";
import { type FakeArchive, FakeStore } from "../support/fake-backups";
import { FakeCluster } from "../support/fake-cluster";
import { FakeWorld } from "../support/fake-world";

const MOVE = "0123456789ab";
const ROUTE: Route = {
  source: "a",
  target: "b",
  method: "backup-restore",
  compression: true,
  store: { name: "nas", type: "nfs", writeStorage: "bk-a", readStorage: "bk-b" },
};

const FINAL = { kind: "final", bitsPerSecond: undefined, stage: "web: backing up" } as const;

let world: FakeWorld;
let store: FakeStore;
let a: FakeCluster;
let b: FakeCluster;
const source = () => ({ api: a, node: "a1", vmid: 100 });

beforeEach(() => {
  world = new FakeWorld();
  store = new FakeStore();
  a = new FakeCluster("a", world, { nodes: ["a1"], storages: { fast: {}, "bk-a": { store } } });
  b = new FakeCluster("b", world, { nodes: ["b1"], storages: { fast: {}, "bk-b": { store } } });
  a.addGuest({ vmid: 100, node: "a1", config: { name: "web", template: "1" } }, { scsi0: { storage: "fast", sizeBytes: 1024 ** 3 } });
});

const archive = (changes: Partial<FakeArchive> = {}): FakeArchive => {
  const made = {
    path: `backup/vzdump-qemu-100-2026_01_01-00_00_0${store.archives.length}.vma.zst`,
    vmid: 100,
    notes: "",
    protected: false,
    createdAtSeconds: 1,
    config: {},
    disks: [],
    ...changes,
  };
  store.archives.push(made);
  return made;
};

const count = (name: string) => world.calls.filter((call) => call.name === name).length;

describe("the archive of a move", () => {
  it("is written once, protected, under the move's note", async () => {
    const written = await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    expect(written).toMatchObject({ vmid: 100, protected: true, notes: archiveNote(MOVE) });
    expect((await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace)).volid).toBe(written.volid);
    expect(count("backup.start")).toBe(1);
  });

  it("is not the one of another move, of a person, or of another guest", async () => {
    archive({ notes: archiveNote("other") });
    archive({ notes: "before the upgrade" });
    archive({ notes: archiveNote(MOVE), vmid: 101 });
    expect(await findArchive(source(), "bk-a", MOVE)).toBeUndefined();
  });

  it("is the newest of several, whatever blanks the note has got", async () => {
    archive({ notes: archiveNote(MOVE), createdAtSeconds: 5 });
    const newest = archive({ notes: `${archiveNote(MOVE)}\n`, createdAtSeconds: 9 });
    archive({ notes: archiveNote(MOVE), createdAtSeconds: 7 });
    expect((await findArchive(source(), "bk-a", MOVE))?.volid).toBe(`bk-a:${newest.path}`);
  });

  it("is waited for where an interrupted run has begun it", async () => {
    await a.backup.start("a1", { vmid: 100, storage: "bk-a", "notes-template": archiveNote(MOVE), protected: 1 });
    await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    expect([count("backup.start"), store.archives.length]).toEqual([1, 1]);
  });

  it("is found although the answer to its start was lost", async () => {
    world.fault = (call) => (call.name === "backup.start" ? "lose-reply" : undefined);
    await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    expect([count("backup.start"), store.archives.length]).toEqual([1, 1]);
  });

  it("that Proxmox does not write, since the guest is on another node, is an error", async () => {
    a.guests.get(100)!.node = "a2";
    await expect(ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace)).rejects.toThrow(/not listed on storage bk-a of a/);
  });

  it("that is written and not listed is an error with the privileges that show it", async () => {
    a.storages["bk-a"]!.store = store;
    world.fault = () => {
      store.archives.length = 0;
      return undefined;
    };
    await expect(ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace)).rejects.toThrow(
      /VM.Backup on the guest and Datastore.AllocateSpace on \/storage\/bk-a/,
    );
  });

  it("of the running guest is another one than that of the stopped guest", async () => {
    a.guests.get(100)!.power = "running";
    const warm = await ensureArchive(source(), ROUTE, MOVE, { ...FINAL, kind: "warm" }, world.pace);
    a.guests.get(100)!.power = "stopped";
    const final = await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    expect(final.volid).not.toBe(warm.volid);
    expect([...world.violations]).toEqual([]);
  });

  it.each<[string, Record<string, boolean>, number | undefined]>([
    ["whose token may change the system", { "Sys.Modify": true }, 12207],
    ["whose token may not", {}, undefined],
  ])("keeps to the limit of the way on a cluster %s", async (_who, privileges, limit) => {
    a.permissions = { "/": privileges };
    await ensureArchive(source(), ROUTE, MOVE, { ...FINAL, bitsPerSecond: 100_000_000 }, world.pace);
    expect(a.lastBackup?.bwlimit).toBe(limit);
  });

  it("has the target's storage in its name there", () => {
    expect(archiveAtTarget("bk-a:backup/vzdump-qemu-100-x.vma.zst", storeOf(ROUTE))).toBe("bk-b:backup/vzdump-qemu-100-x.vma.zst");
    expect(archiveAtTarget("pbs:backup/vm/100/2026-01-01T00:00:00Z", storeOf(ROUTE))).toBe("bk-b:backup/vm/100/2026-01-01T00:00:00Z");
  });
});

describe("the archive at the target", () => {
  const target = () => ({ api: b, node: "b1" });

  it("is the same one, known by name and length", async () => {
    const written = await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    expect(await waitUntilVisible(target(), written, 100, ROUTE, world.pace)).toBe(written.volid.replace("bk-a:", "bk-b:"));
  });

  it("may show up late", async () => {
    const written = await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    const kept = store.archives.splice(0);
    let looks = 0;
    world.fault = (call) => {
      if (call.cluster === "b" && ++looks === 3) store.archives.push(...kept);
      return undefined;
    };
    await waitUntilVisible(target(), written, 100, ROUTE, world.pace);
    expect(looks).toBe(3);
  });

  it("of another length is another store's", async () => {
    const written = await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    await expect(waitUntilVisible(target(), { ...written, sizeBytes: 5 }, 100, ROUTE, world.pace)).rejects.toThrow(
      /the two storages are not the same store/,
    );
  });

  it("that is not there names both reasons", async () => {
    const written = await ensureArchive(source(), ROUTE, MOVE, FINAL, world.pace);
    store.archives.length = 0;
    await expect(waitUntilVisible(target(), written, 100, ROUTE, world.pace)).rejects.toThrow(
      /not visible on b: either bk-b is another store than bk-a of a, or the token lacks VM.Backup on \/vms\/100/,
    );
  });
});

describe("removing archives", () => {
  it("takes all of the move and no other", async () => {
    archive({ notes: archiveNote(MOVE), protected: true });
    archive({ notes: archiveNote(MOVE, "warm"), protected: true });
    archive({ notes: archiveNote(MOVE) });
    const kept = [
      archive({ notes: archiveNote("other"), protected: true }),
      archive({ notes: archiveNote("other", "warm"), protected: true }),
      archive({ notes: "by hand" }),
      archive({ notes: archiveNote(MOVE), vmid: 101 }),
    ];
    await removeArchives(source(), "bk-a", MOVE, world.pace);
    expect(store.archives).toEqual(kept);
    expect(kept[0]?.protected).toBe(true);
  });

  it.each(["storage.setVolumeAttributes", "storage.deleteVolume"])("goes on when the answer to %s is lost", async (name) => {
    archive({ notes: archiveNote(MOVE), protected: true });
    let lost = false;
    world.fault = (call) => {
      if (call.name !== name || lost) return undefined;
      lost = true;
      return "lose-reply";
    };
    await removeArchives(source(), "bk-a", MOVE, world.pace);
    expect(store.archives).toEqual([]);
  });

  it("is done when somebody was faster", async () => {
    archive({ notes: archiveNote(MOVE), protected: true });
    world.fault = (call) => {
      if (call.name === "storage.setVolumeAttributes") store.archives.length = 0;
      return undefined;
    };
    await removeArchives(source(), "bk-a", MOVE, world.pace);
  });

  it.each([
    ["is done when the task of an interrupted run was faster", true],
    ["is an error when its task fails and the archive is still there", false],
  ])("%s", async (_name, isGone) => {
    archive({ notes: archiveNote(MOVE) });
    a.storage.deleteVolume = async (node) => {
      if (isGone) store.archives.length = 0;
      const finish = () => {
        throw new Error("no such volume");
      };
      return world.start({ cluster: "a", node, type: "imgdel", id: "100@bk-a", durationMs: 10, finish });
    };
    const removal = removeArchives(source(), "bk-a", MOVE, world.pace);
    if (isGone) await removal;
    else await expect(removal).rejects.toThrow("no such volume");
  });

  it("that is refused is an error", async () => {
    archive({ notes: archiveNote(MOVE) });
    world.fault = (call) => (call.name === "storage.deleteVolume" ? "refuse" : undefined);
    await expect(removeArchives(source(), "bk-a", MOVE, world.pace)).rejects.toThrow("refused by the test");
  });
});
