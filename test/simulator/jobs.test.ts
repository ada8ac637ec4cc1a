import { expect, test } from "vitest";
import { calendarFormat, nextEvent, parseCalendarEvent } from "../../src/simulator/jobs/calendar";
import { startSchedulers } from "../../src/simulator/jobs/scheduler";
import { createRig, type Rig, token } from "./guests/harness";

/** A Friday. */
const friday = Date.UTC(2026, 0, 2, 3, 4, 5);

test.each([
  ["02:30", "2026-01-03T02:30:00.000Z"],
  ["3:05", "2026-01-02T03:05:00.000Z"],
  ["*/15", "2026-01-02T03:15:00.000Z"],
  ["30", "2026-01-02T03:30:00.000Z"],
  ["8..17,22:0/30", "2026-01-02T08:00:00.000Z"],
  ["mon..thu 10:00", "2026-01-05T10:00:00.000Z"],
  ["sat..mon 00:10", "2026-01-03T00:10:00.000Z"],
  ["sun,wed 01:00", "2026-01-04T01:00:00.000Z"],
  ["mon", "2026-01-05T00:00:00.000Z"],
  ["*-1..7 04:00", "2026-01-02T04:00:00.000Z"],
  ["sat *-1..7 15:00", "2026-01-03T15:00:00.000Z"],
  ["2026-2-29", undefined],
  ["2028-2-29", "2028-02-29T00:00:00.000Z"],
  ["12-24 18:00:30", "2026-12-24T18:00:30.000Z"],
  ["minutely", "2026-01-02T03:05:00.000Z"],
  ["hourly", "2026-01-02T04:00:00.000Z"],
  ["daily", "2026-01-03T00:00:00.000Z"],
  ["weekly", "2026-01-05T00:00:00.000Z"],
  ["monthly", "2026-02-01T00:00:00.000Z"],
  ["quarterly", "2026-04-01T00:00:00.000Z"],
  ["yearly", "2027-01-01T00:00:00.000Z"],
  ["tuesday 01:00 UTC", "2026-01-06T01:00:00.000Z"],
])("schedule '%s' comes next at %s", (schedule, expected) => {
  const next = nextEvent(parseCalendarEvent(schedule)!, friday);
  expect(next === undefined ? undefined : new Date(next).toISOString()).toBe(expected);
});

test.each(["bogus", "25:00", "10:60", "", "mon 1:00 2:00", "5..2:00", "*/0", "32-1", "1-32"])("'%s' is no schedule", (schedule) => {
  expect(calendarFormat(schedule)).toBe(`invalid calendar event '${schedule}' - unable to parse calendar event\n`);
});

async function guests(rig: Rig): Promise<void> {
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, name: "one", scsi0: "local:0.0625", pool: "federation" });
  await rig.run("POST", "ams/nodes/ams-2/qemu", { vmid: 101, scsi0: "local:0.0625", scsi1: "local:0.0625,backup=0" });
}

const archives = (rig: Rig) => Object.keys(rig.world.state.backends.nfs!.volumes).map((name) => name.slice(0, "vzdump-qemu-100".length));

test("a job runs when its time comes, on every node that has guests of it, with its retention", async () => {
  const rig = createRig();
  const stop = startSchedulers(rig.world);
  await guests(rig);
  await rig.call("POST", "ams/cluster/backup", {
    id: "nightly",
    schedule: "04:00",
    vmid: "100,101",
    storage: "nas",
    "prune-backups": "keep-last=1",
    compress: "zstd",
  });
  await rig.world.clock.advance(50 * 60_000);
  expect(archives(rig)).toEqual([]);
  await rig.world.clock.advance(15 * 60_000);
  expect(archives(rig).sort()).toEqual(["vzdump-qemu-100", "vzdump-qemu-101"]);
  const workers = Object.values(rig.cluster("ams").tasks).filter(({ type }) => type === "vzdump");
  expect(workers.map(({ node, id, user, exitStatus }) => [node, id, user, exitStatus])).toEqual([
    ["ams-1", "100", "root@pam", "OK"],
    ["ams-2", "101", "root@pam", "OK"],
  ]);
  expect(workers[0]!.log[0]).toContain(
    "INFO: starting new backup job: vzdump 100 101 --storage nas --prune-backups 'keep-last=1' --compress zstd --quiet 1",
  );
  await rig.world.clock.advance(24 * 60 * 60_000);
  expect(archives(rig).sort()).toEqual(["vzdump-qemu-100", "vzdump-qemu-101"]);
  expect(Object.values(rig.cluster("ams").tasks).filter(({ type }) => type === "vzdump")).toHaveLength(4);
  stop();
});

test("a disabled job, a cluster that is gone and a node that is off back nothing up", async () => {
  const rig = createRig();
  const stop = startSchedulers(rig.world);
  await guests(rig);
  await rig.call("POST", "ams/cluster/backup", { id: "off", schedule: "hourly", all: 1, storage: "nas", enabled: 0 });
  await rig.world.clock.advance(2 * 3_600_000);
  expect(archives(rig)).toEqual([]);
  await rig.call("PUT", "ams/cluster/backup/off", { enabled: 1, node: "ams-2" });
  rig.cluster("ams").down = true;
  await rig.world.clock.advance(2 * 3_600_000);
  expect(archives(rig)).toEqual([]);
  rig.cluster("ams").down = false;
  await rig.world.clock.advance(3_600_000);
  expect(archives(rig)).toContain("vzdump-qemu-101");
  expect(archives(rig)).not.toContain("vzdump-qemu-100");
  stop();
});

test("a job whose last run is not over waits for it", async () => {
  const rig = createRig();
  const stop = startSchedulers(rig.world);
  await guests(rig);
  rig.world.state.backends.nfs!.bytesPerSecond = 100_000;
  rig.write("ams", "ams-1", "local:100/vm-100-disk-0.raw", 0, 60);
  await rig.call("POST", "ams/cluster/backup", { id: "often", schedule: "minutely", vmid: "100", storage: "nas", compress: "0" });
  const running = () => Object.values(rig.cluster("ams").tasks).filter(({ type, endMs }) => type === "vzdump" && endMs === undefined);
  await rig.world.clock.advance(5 * 60_000);
  expect(running()).toHaveLength(1);
  expect(Object.values(rig.cluster("ams").tasks).filter(({ type }) => type === "vzdump")).toHaveLength(1);
  stop();
});

test("included volumes and guests that no job takes", async () => {
  const rig = createRig();
  await guests(rig);
  await rig.call("POST", "ams/cluster/backup", { id: "pool", schedule: "daily", pool: "federation", storage: "nas" });
  expect(await rig.call("GET", "ams/cluster/backup-info/not-backed-up")).toEqual([{ vmid: 101, type: "qemu" }]);
  await rig.call("PUT", "ams/cluster/backup/pool", { vmid: "101,999" });
  expect(await rig.call("GET", "ams/cluster/backup/pool/included_volumes")).toEqual({
    children: [
      {
        id: 101,
        type: "qemu",
        name: null,
        leaf: 0,
        children: [
          { id: "101:scsi0", name: "local:101/vm-101-disk-0.raw", included: 1, reason: "backup=yes", leaf: 1 },
          { id: "101:scsi1", name: "local:101/vm-101-disk-1.raw", included: 0, reason: "backup=no", leaf: 1 },
        ],
      },
      { id: 999, type: "unknown", leaf: 1 },
    ],
  });
  expect(await rig.call("GET", "ams/cluster/backup/pool")).not.toHaveProperty("pool");
});

test("jobs are for administrators, and a purged guest leaves them", async () => {
  const rig = createRig();
  await guests(rig);
  await expect(rig.call("POST", "ams/cluster/backup", { schedule: "daily", all: 1 }, token)).rejects.toThrow(
    "Permission check failed (/, Sys.Modify)",
  );
  await rig.call("POST", "ams/cluster/backup", { id: "two", schedule: "daily", vmid: "100,101", storage: "nas" });
  await rig.run("DELETE", "ams/nodes/ams-1/qemu/100", { purge: 1 });
  expect(await rig.call("GET", "ams/cluster/backup/two")).toMatchObject({ vmid: "101" });
});

test("schedule-analyze lists the coming turns", async () => {
  const rig = createRig();
  expect(await rig.call("GET", "ams/cluster/jobs/schedule-analyze", { schedule: "sat 2:30", iterations: 2 })).toEqual([
    { timestamp: Date.UTC(2026, 0, 3, 2, 30) / 1000, utc: "Sat Jan  3 02:30:00 2026" },
    { timestamp: Date.UTC(2026, 0, 10, 2, 30) / 1000, utc: "Sat Jan 10 02:30:00 2026" },
  ]);
});
