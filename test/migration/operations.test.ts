import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  destroyGuest,
  findActiveTask,
  GuestLockedError,
  putConfig,
  refuseForeignLock,
  repeatAfterLostReply,
  runTask,
  shutDownGuest,
  startGuest,
  stopGuest,
} from "../../src/migration";
import { OutcomeUnknownError, systemClock } from "../../src/proxmox";
import { FakeCluster } from "../support/fake-cluster";
import { outcomeUnknown, refused } from "../support/fake-errors";
import type { FakeGuest } from "../support/fake-guest";
import { FakeWorld, type Fault } from "../support/fake-world";

let world: FakeWorld;
let api: FakeCluster;
let guest: FakeGuest;
const ref = () => ({ api, node: "a1", vmid: 100 });
const POLICY = { timeoutSeconds: 60, force: false };

beforeEach(() => {
  world = new FakeWorld();
  api = new FakeCluster("a", world, { nodes: ["a1"], storages: { fast: {} } });
  guest = api.addGuest({ vmid: 100, node: "a1", config: { name: "web" } }, { scsi0: { storage: "fast", sizeBytes: 1024 ** 3 } });
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

function fail(name: string, fault: Fault, times = 1): void {
  let seen = 0;
  world.fault = (call) => (call.name === name && seen++ < times ? fault : undefined);
}

const count = (name: string) => world.calls.filter((call) => call.name === name).length;

describe("starting a guest", () => {
  it("is done when it runs", async () => {
    await startGuest(ref(), world.pace);
    expect(guest.power).toBe("running");
  });

  it("that runs already is done", async () => {
    guest.power = "running";
    await startGuest(ref(), world.pace);
    expect(guest.power).toBe("running");
  });

  it("whose answer is lost is followed, not repeated", async () => {
    fail("qemu.start", "lose-reply");
    await startGuest(ref(), world.pace);
    expect([guest.power, count("qemu.start")]).toEqual(["running", 1]);
  });

  it("whose answer is lost and whose task has ended meanwhile is seen by its effect", async () => {
    fail("qemu.start", "lose-reply");
    const list = api.tasks.list;
    vi.spyOn(api.tasks, "list").mockImplementation(async (...args) => {
      world.advance(5_000);
      return list(...args);
    });
    await startGuest(ref(), world.pace);
    expect([guest.power, count("qemu.start"), count("tasks.wait")]).toEqual(["running", 1, 0]);
  });

  it("that is a template fails, with the cluster's words", async () => {
    guest.config.template = "1";
    await expect(startGuest(ref(), world.pace)).rejects.toThrow("you can't start a vm if it's a template");
    expect(guest.power).toBe("stopped");
  });

  it("waits for a lock file that somebody holds", async () => {
    await api.qemu.resizeDisk("a1", 100, "scsi0", 2 * 1024 ** 3);
    await putConfig(ref(), { set: { name: "later" } }, world.pace);
    expect(guest.config.name).toBe("later");
  });
});

describe("a task", () => {
  it("whose request never arrived is reported after half a minute of looking", async () => {
    const lost = outcomeUnknown({ cluster: "a", method: "POST", path: "/x" });
    const before = world.nowMs;
    await expect(runTask(ref(), { type: "qmstart", isDone: async () => false }, world.pace, () => Promise.reject(lost))).rejects.toBe(lost);
    expect(world.nowMs - before).toBeGreaterThan(30_000);
    expect(world.nowMs - before).toBeLessThan(40_000);
  });

  it("that failed for a lock file is tried again, for a while", async () => {
    let busy = 3;
    const start = () =>
      Promise.resolve(
        world.start({
          cluster: "a",
          node: "a1",
          type: "qmstart",
          id: "100",
          durationMs: 100,
          finish: () => {
            if (busy-- > 0) throw new Error("can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout");
          },
        }),
      );
    await runTask(ref(), { type: "qmstart", isDone: async () => true }, world.pace, start);
    expect(busy).toBe(-1);
    busy = Number.POSITIVE_INFINITY;
    await expect(runTask(ref(), { type: "qmstart", isDone: async () => true }, world.pace, start)).rejects.toThrow("got timeout");
  });

  it("tells its UPID before it is waited for", async () => {
    const seen: string[] = [];
    const onStarted = async (upid: string) => void seen.push(`${upid.split(":")[5]} ${world.taskStatus(upid).status}`);
    await runTask(ref(), { type: "qmstart", isDone: async () => false, onStarted }, world.pace, () => api.qemu.start("a1", 100));
    expect(seen).toEqual(["qmstart running"]);
  });

  it("that needs none is done", async () => {
    expect(await runTask(ref(), { type: "qmconfig", isDone: async () => false }, world.pace, async () => undefined)).toBeUndefined();
  });

  it("of another guest, of another kind or of the past is not taken for ours", async () => {
    api.addGuest({ vmid: 101, node: "a1" });
    await api.qemu.start("a1", 101);
    const done = await api.qemu.stop("a1", 100);
    await api.tasks.wait(done);
    await api.qemu.shutdown("a1", 100, {});
    expect(await findActiveTask(ref(), "qmstart")).toBeUndefined();
    expect(await findActiveTask(ref(), "qmstop")).toBeUndefined();
    expect(await findActiveTask(ref(), "qmshutdown")).toBeDefined();
  });
});

describe("shutting down", () => {
  it("asks a running guest and nobody else", async () => {
    await shutDownGuest(ref(), POLICY, world.pace);
    expect(count("qemu.shutdown")).toBe(0);
    guest.power = "running";
    await shutDownGuest(ref(), POLICY, world.pace);
    expect(guest.power).toBe("stopped");
  });

  it("of a guest that does not hear fails, unless the plug may be pulled", async () => {
    guest.power = "running";
    guest.deaf = true;
    await expect(shutDownGuest(ref(), POLICY, world.pace)).rejects.toThrow("got timeout");
    expect(guest.power).toBe("running");
    await shutDownGuest(ref(), { ...POLICY, force: true }, world.pace);
    expect(guest.power).toBe("stopped");
  });

  it("by pulling the plug does not ask", async () => {
    guest.power = "running";
    guest.deaf = true;
    await stopGuest(ref(), world.pace);
    expect(guest.power).toBe("stopped");
  });
});

describe("destroying a guest", () => {
  it.each<[string, () => unknown]>([
    ["that stands still", () => undefined],
    ["that runs", () => Object.assign(guest, { power: "running" })],
    ["that is protected", () => Object.assign(guest.config, { protection: "1" })],
    ["that is fenced", () => Object.assign(guest.config, { template: "1" })],
  ])("%s takes it with its disks", async (_how, prepare) => {
    prepare();
    await destroyGuest(ref(), world.pace);
    expect([api.guests.size, api.volumes.size]).toEqual([0, 0]);
  });

  it("that is gone is done", async () => {
    api.guests.clear();
    await destroyGuest(ref(), world.pace);
    expect(count("qemu.delete")).toBe(0);
  });

  it.each<Fault>(["lose-reply"])("whose answer is lost (%s) is followed to its end", async (fault) => {
    fail("qemu.delete", fault);
    await destroyGuest(ref(), world.pace);
    expect([api.guests.size, count("qemu.delete")]).toEqual([0, 1]);
  });

  it("that is locked is refused with the administrator's command", async () => {
    guest.config.lock = "backup";
    await expect(destroyGuest(ref(), world.pace)).rejects.toThrow(/locked \(backup\).*qm unlock 100.*node a1/s);
    expect(count("qemu.delete")).toBe(0);
  });
});

describe("a lock", () => {
  it("is refused, its absence is not", () => {
    expect(() => refuseForeignLock(ref(), { digest: "", values: { lock: "migrate" } })).toThrow(GuestLockedError);
    expect(() => refuseForeignLock(ref(), { digest: "", values: {} })).not.toThrow();
  });
});

describe("a configuration", () => {
  it("is changed and cut in one request", async () => {
    guest.config.cores = "2";
    await putConfig(ref(), { set: { name: "db", memory: 512 }, remove: ["cores", "sockets"] }, world.pace);
    expect(guest.config).toMatchObject({ name: "db", memory: "512" });
    expect(guest.config).not.toHaveProperty("cores");
    expect(count("qemu.updateConfig")).toBe(1);
  });

  it("without a change is not touched", async () => {
    await putConfig(ref(), {}, world.pace);
    await putConfig(ref(), { set: {}, remove: [] }, world.pace);
    expect(count("qemu.updateConfig")).toBe(0);
  });

  it("whose answer is lost is written again: the values are absolute", async () => {
    fail("qemu.updateConfig", "lose-reply", 3);
    await putConfig(ref(), { set: { name: "db" } }, world.pace);
    expect([guest.config.name, count("qemu.updateConfig")]).toEqual(["db", 4]);
  });

  it("whose answer is lost again and again is reported", async () => {
    fail("qemu.updateConfig", "lose-reply", 99);
    await expect(putConfig(ref(), { set: { name: "db" } }, world.pace)).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(count("qemu.updateConfig")).toBe(4);
  });
});

describe("repeating", () => {
  it("is for lost answers only", async () => {
    const refusal = refused({ cluster: "a", method: "POST", path: "/x" }, "no");
    const call = vi.fn().mockRejectedValue(refusal);
    await expect(repeatAfterLostReply(world.pace, call)).rejects.toBe(refusal);
    expect(call).toHaveBeenCalledTimes(1);
  });
});
