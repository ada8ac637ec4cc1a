/** Which volumes a killed migration between nodes has left. */
import { beforeEach, expect, it, vi } from "vitest";
import { describeAbandonedCopy, findAbandonedCopies } from "../../src/providers/vm/abandoned-copies";
import type { TaskStatus } from "../../src/proxmox";
import { FakeCluster } from "../support/fake-cluster";
import { FakeWorld } from "../support/fake-world";

let api: FakeCluster;
beforeEach(() => {
  api = new FakeCluster("a", new FakeWorld(), { nodes: ["a1", "a2"], storages: { fast: {} } });
  api.addGuest({ vmid: 100, node: "a2", power: "stopped", config: { name: "web", scsi0: "fast:vm-100-disk-1,size=1G" } });
});

/** The guest's migrations from a1, with what their logs tell. */
function migrated(exitStatus: string, log: string[], present: string[]): void {
  const task: TaskStatus = {
    upid: "UPID:a1:1:1:1:qmigrate:100:ci@pve!test:",
    node: "a1",
    type: "qmigrate",
    id: "100",
    user: "ci@pve!test",
    status: "stopped",
    exitStatus,
    startTimeSeconds: 1,
  };
  vi.spyOn(api.tasks, "list").mockImplementation(async (node) => (node === "a1" ? [task] : []));
  vi.spyOn(api.tasks, "getLog").mockResolvedValue(log);
  vi.spyOn(api.storage, "findVolume").mockImplementation(async (_node, volid) =>
    present.includes(volid) ? { volid, format: "raw", sizeBytes: 1, protected: false } : undefined,
  );
}

const COPY = "2026-01-05 12:00:08 volume 'fast:vm-100-disk-0' is 'fast:vm-100-disk-0' on the target";
const USED = "2026-01-05 12:00:08 volume 'fast:vm-100-disk-0' is 'fast:vm-100-disk-1' on the target";
const VOLUMES = ["fast:vm-100-disk-0", "fast:vm-100-disk-1", "fast:vm-100-spare"];
const guest = () => ({ api, node: "a2", vmid: 100 });

it.each<[string, string, string[], string[], string[]]>([
  ["a copy that nothing names", "unexpected status", [COPY], VOLUMES, ["fast:vm-100-disk-0"]],
  ["no copy that the guest has", "unexpected status", [USED], VOLUMES, []],
  ["no copy that is gone", "unexpected status", [COPY], ["fast:vm-100-disk-1"], []],
  ["nothing after a migration that failed by itself", "migration aborted", [COPY], VOLUMES, []],
])("names %s", async (_what, exitStatus, log, present, found) => {
  migrated(exitStatus, log, present);
  expect(await findAbandonedCopies(guest(), "a1")).toEqual(found);
});

it("tells the administrator's command", () => {
  expect(describeAbandonedCopy("fast:vm-100-disk-0", guest())).toMatch(/on a\/a2 .*"pvesm free fast:vm-100-disk-0" on node a2$/);
});
