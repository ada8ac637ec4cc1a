import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { estimateMove, type Route, storeOf, summarizeMove } from "../../src/migration";
import { cluster } from "../support/fake-federation";

const GIB = 1024 ** 3;
const MBIT = 1_000_000;
/** What Pulumi's display leaves of a value. */
const SHOWN_CHARACTERS = 150;
const ROUTE: Route = {
  source: "a",
  target: "b",
  method: "backup-restore",
  compression: true,
  store: { name: "nas", type: "nfs", writeStorage: "nas", readStorage: "nas" },
};
const WHERE = { from: "a/a1 (vm 100)", to: "b/b1", reason: "a is draining" };

describe("the estimate of a move", () => {
  it("says nothing about time without a bandwidth, and nothing about money without a price", () => {
    expect(estimateMove(ROUTE, 8 * GIB, cluster("a"))).toEqual({ diskBytes: 8 * GIB });
  });

  it("is a range: a tenth once at best, all of it there and back at worst", () => {
    // 100 MiB over 100 Mbit/s: 8.388608 s.
    const { downtimeSeconds } = estimateMove({ ...ROUTE, bitsPerSecond: 100 * MBIT }, 100 * 1024 ** 2, cluster("a"));
    expect(downtimeSeconds).toEqual([21, 197]);
  });

  it("between two backup servers carries the bytes once, and only what changed while it is down", () => {
    const store = { ...storeOf(ROUTE), type: "pbs" as const, sync: { store: "far", remote: "nas" } };
    const warm: Route = { ...ROUTE, store, warm: true, bitsPerSecond: 100 * MBIT };
    const there = estimateMove(warm, 8 * GIB, cluster("a"));
    const besideTarget = estimateMove({ ...warm, store: { ...store, sync: undefined, beside: "target" } }, 8 * GIB, cluster("a"));
    expect(there).toEqual(besideTarget);
    const said = summarizeMove({ ...warm, limitedBy: "the path's max_bandwidth" }, there, WHERE);
    expect(said.store).toBe("nas → far (pbs; pulled from server to server)");
    // A sync obeys the limit, a restore over the link would not.
    expect(said.limit).not.toMatch(/ignores/);
  });

  it("costs the source's price per GiB, to the cent", () => {
    expect(estimateMove(ROUTE, 8 * GIB, cluster("a", { prices: { perEgressGiB: 0.011 } })).transferPrice).toBe(0.09);
    expect(estimateMove(ROUTE, 8 * GIB, cluster("a", { prices: { perEgressGiB: 0 } })).transferPrice).toBe(0);
  });

  it("never shrinks with the disks nor grows with the bandwidth, and its lower end is below its upper", () => {
    const bytes = fc.nat({ max: 100 * 1024 ** 4 });
    const rate = fc.integer({ min: 1, max: 100_000 * MBIT });
    fc.assert(
      fc.property(bytes, bytes, rate, rate, (some, more, slow, extra) => {
        const seconds = (diskBytes: number, bitsPerSecond: number) =>
          estimateMove({ ...ROUTE, bitsPerSecond }, diskBytes, cluster("a")).downtimeSeconds!;
        const base = seconds(some, slow);
        expect(base[0]).toBeLessThanOrEqual(base[1]);
        expect(base[0]).toBeGreaterThanOrEqual(20);
        const bigger = seconds(some + more, slow);
        const faster = seconds(some, slow + extra);
        for (const end of [0, 1] as const) {
          expect(bigger[end]).toBeGreaterThanOrEqual(base[end]);
          expect(faster[end]).toBeLessThanOrEqual(base[end]);
        }
      }),
    );
  });
});

describe("the summary in the preview", () => {
  it("says what, over which store, how much, how long and why", () => {
    const route: Route = { ...ROUTE, bitsPerSecond: 500 * MBIT, limitedBy: "the cross-connect" };
    const summary = summarizeMove(route, estimateMove(route, 8 * GIB, cluster("a", { prices: { perEgressGiB: 0.01 } })), WHERE);
    expect(summary).toEqual({
      from: "a/a1 (vm 100)",
      to: "b/b1",
      method: "backup-restore: the VM is stopped, backed up, restored there and started",
      store: "nas (nfs; a warm pass would gain nothing on a directory store)",
      transfer: "up to 8 GiB, about 0.08 for the traffic",
      limit: "500Mbps, the cross-connect, shared with parallel moves",
      duration: "34s to 8m",
      downtime: "34s to 8m",
      reason: "a is draining",
    });
  });

  it("of a PBS store has no word of directory stores", () => {
    const route: Route = { ...ROUTE, store: { ...storeOf(ROUTE), name: "vault", type: "pbs" } };
    expect(summarizeMove(route, { diskBytes: GIB }, WHERE)).toMatchObject({ store: "vault (pbs)" });
  });

  it("grows with what changed, not with the disks, where a warm move's store stands beside the target", () => {
    const beside = (at?: "source" | "target"): Route => ({
      ...ROUTE,
      warm: true,
      bitsPerSecond: 100 * MBIT,
      store: { ...storeOf(ROUTE), type: "pbs", ...(at ? { beside: at } : {}) },
    });
    const down = (route: Route) => estimateMove(route, 100 * GIB, cluster("a")).downtimeSeconds!;
    const cold: Route = { ...beside("target"), warm: false };
    expect(down(beside("target"))[1]).toBeLessThan(0.25 * down(cold)[1]);
    expect(down(beside("source"))[1]).toBeLessThan(down(beside())[1]);
  });

  it("of a warm move says that only changes travel while it is down, window and keeping where they are declared", () => {
    const window = { days: ["sat" as const], startMinute: 22 * 60, endMinute: 6 * 60, timezone: "Europe/Amsterdam" };
    const route: Route = { ...ROUTE, warm: true, bitsPerSecond: 100 * MBIT, window, outsideWindow: "wait", keepSourceMs: 7 * 86_400_000 };
    const estimate = estimateMove(route, 100 * GIB, cluster("a"));
    expect(estimate.downtimeSeconds![0]).toBeLessThan(estimate.durationSeconds![0] / 2);
    expect(summarizeMove(route, estimate, WHERE)).toMatchObject({
      method:
        "backup-restore: the VM is backed up while it runs, stopped, backed up again (only changes travel), restored there and started",
      window: "sat 22:00 to 06:00 (Europe/Amsterdam); outside: the update waits for it, at most 24h",
      source: "kept stopped for 7d, then removed by the next update",
    });
  });

  it("of a live restore is down for the changes only, and says what it puts at risk", () => {
    const live: Route = {
      ...ROUTE,
      warm: true,
      live: true,
      bitsPerSecond: 100 * MBIT,
      limitedBy: "the path's max_bandwidth",
      store: { ...storeOf(ROUTE), name: "vault", type: "pbs" },
    };
    const down = (route: Route) => estimateMove(route, 100 * GIB, cluster("a")).downtimeSeconds!;
    expect(down(live)[1]).toBeLessThan(0.25 * down({ ...live, live: false })[1]);
    expect(down({ ...live, store: { ...storeOf(live), beside: "source" } })).toEqual([20, 180]);
    expect(down({ ...live, warm: false })[1]).toBeLessThan(down({ ...live, warm: false, live: false })[1]);
    const summary = summarizeMove(live, estimateMove(live, 100 * GIB, cluster("a")), WHERE);
    expect(summary).toMatchObject({
      method: expect.stringMatching(/it starts there while its data arrive$/),
      risk: expect.stringMatching(
        /^if the restore fails, what the VM wrote since its start there \(at most .*\) is lost: the source starts again as at its final backup$/,
      ),
      limit: expect.stringMatching(/a restore from a PBS ignores it: set a traffic control there$/),
    });
    const beside = summarizeMove({ ...live, live: false, store: { ...storeOf(live), beside: "target" } }, { diskBytes: GIB }, WHERE);
    expect(beside.risk).toBeUndefined();
    expect(beside.verification).toBeUndefined();
    expect(beside.limit).not.toMatch(/ignores/);
  });

  it("of a live restore says who verifies the archive and when, or why nobody does", () => {
    const live: Route = { ...ROUTE, warm: true, live: true, verifiedBy: "vault", store: { ...storeOf(ROUTE), type: "pbs" } };
    const verification = (route: Route, unverified?: string) =>
      summarizeMove(route, { diskBytes: GIB }, { ...WHERE, ...(unverified === undefined ? {} : { unverified }) }).verification;
    expect(verification(live)).toMatch(/^vault reads the whole first backup while the VM still runs/);
    expect(verification({ ...live, warm: false })).toMatch(/^vault reads the whole archive while the VM is down/);
    expect(verification(live, "vault does not answer")).toBe("none: vault does not answer");
    const { verifiedBy: _nobody, ...without } = live;
    expect(verification(without)).toBe("none: the backup store has no api in backup_stores");
  });

  it("of a remote migration says what only an administrator can do afterwards, and that a running guest hardly stops", () => {
    const { store: _none, ...rest } = ROUTE;
    const online: Route = { ...rest, method: "storage", bitsPerSecond: 100 * MBIT, keepSourceMs: 7 * 86_400_000 };
    const estimate = estimateMove(online, 100 * GIB, cluster("a"));
    expect(estimate.downtimeSeconds).toEqual([1, 10]);
    expect(summarizeMove(online, estimate, WHERE)).toMatchObject({
      method: expect.stringMatching(/^storage: .*while it runs/),
      store: expect.stringMatching(/target's API token/),
      source: expect.stringMatching(/stopped and locked, until an administrator .*qm unlock.*not before 7d/),
    });
    const offline = estimateMove({ ...online, method: "offline" }, 100 * GIB, cluster("a"));
    expect(offline.downtimeSeconds).toEqual(offline.durationSeconds);
    expect(offline.durationSeconds![1]).toBeLessThan(estimate.durationSeconds![1]);
  });

  it("without a bandwidth does not pretend to know the downtime", () => {
    expect(summarizeMove(ROUTE, { diskBytes: GIB }, WHERE)).toMatchObject({
      transfer: "up to 1 GiB",
      limit: "none declared",
      downtime: "unknown: declare a bandwidth for the path",
    });
  });

  it("is always plain text, and short enough for the engine to show it whole, for any size, time and kind of move", () => {
    const store = fc.constantFrom(
      storeOf(ROUTE),
      { ...storeOf(ROUTE), type: "pbs" as const },
      { ...storeOf(ROUTE), name: "vault-amsterdam", type: "pbs" as const, sync: { store: "vault-rotterdam", remote: "vault-amsterdam" } },
    );
    const routes = fc.record({
      source: fc.constant("worldstream-prod"),
      method: fc.constantFrom(...(["backup-restore", "storage", "offline"] as const)),
      store,
      bitsPerSecond: fc.integer({ min: MBIT, max: 1e12 }),
      ...Object.fromEntries(["warm", "live", "encrypted"].map((key) => [key, fc.boolean()])),
      keepSourceMs: fc.constantFrom(undefined, 7 * 86_400_000),
      verifiedBy: fc.constantFrom(undefined, "vault-rotterdam"),
    });
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 50 }), routes, (diskBytes, some) => {
        const route: Route = { ...ROUTE, ...some, limitedBy: "the path's max_bandwidth" };
        if (route.method !== "backup-restore") delete route.store;
        const summary = summarizeMove(route, estimateMove(route, diskBytes, cluster("a", { prices: { perEgressGiB: 0.01 } })), WHERE);
        for (const value of Object.values(summary)) {
          expect(value).toMatch(/^\S(.*\S)?$/);
          expect(value.length).toBeLessThanOrEqual(SHOWN_CHARACTERS);
        }
        expect(JSON.stringify(summary)).not.toMatch(/NaN|undefined|Infinity/);
      }),
    );
  });
});
