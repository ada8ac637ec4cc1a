/** What a move leaves: its record, and nothing unencrypted where that is required. */
import { describe, expect, it } from "vitest";
import type { MoveRecord } from "../../src/migration";
import { attempt, moveScenario } from "../support/move-scenario";

describe("the record of a move", () => {
  it("tells its end, its archive and its tasks", async () => {
    const records: MoveRecord[] = [];
    const onEnd = async (record: MoveRecord) => void records.push(record);
    expect(await attempt(moveScenario({ warm: true }), { onEnd })).toEqual({ ok: true });
    expect(records).toEqual([
      expect.objectContaining({ result: "moved", archive: expect.stringMatching(/^bk-a:/), archiveBytes: expect.any(Number) }),
    ]);
    const types = records[0]!.upids.map((upid) => upid.split(":")[5]);
    expect(types).toEqual(["vzdump", "qmshutdown", "vzdump", "qmrestore", "qmstart"]);
  });

  it("of a move that failed tells why, and that it was rolled back", async () => {
    const records: MoveRecord[] = [];
    const scenario = moveScenario();
    scenario.world.fault = (call) => (call.name === "backup.start" ? "refuse" : undefined);
    await attempt(scenario, { onEnd: async (record) => void records.push(record) });
    expect(records).toEqual([expect.objectContaining({ result: "rolled-back", error: expect.stringContaining("refused by the test") })]);
  });

  it("of a move that has all but arrived says that it is unfinished", async () => {
    const records: MoveRecord[] = [];
    const waitUntilAlive = () => Promise.reject(new Error("no agent"));
    await attempt(moveScenario(), { waitUntilAlive, onEnd: async (record) => void records.push(record) });
    expect(records).toEqual([expect.objectContaining({ result: "unfinished", error: expect.stringContaining("no agent") })]);
  });
});

describe("an encrypted move", () => {
  const KEY = "ab:cd:ef:01:23:45:67:89";
  it("restores what is proven to be encrypted with the store's key", async () => {
    const scenario = moveScenario({ warm: true });
    scenario.a.storages["bk-a"]!.keyFingerprint = KEY;
    expect(await attempt(scenario, { route: { ...scenario.route, encrypted: true } })).toEqual({ ok: true });
  });

  it("is rolled back when its archive is not", async () => {
    const scenario = moveScenario({ warm: true });
    const outcome = await attempt(scenario, { route: { ...scenario.route, encrypted: true } });
    expect(outcome.ok === false && outcome.error.message).toMatch(/not proven to be encrypted with the key of storage bk-a/);
    expect(scenario.b.guests.size).toBe(0);
    expect(scenario.store.archives).toEqual([]);
    expect(scenario.a.guests.get(100)?.power).toBe("running");
  });
});
