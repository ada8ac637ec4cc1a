/** A migration to another cluster, broken at every moment in every way: nothing is lost and nothing runs twice. */
import { expect, test } from "vitest";
import { smallLayout } from "../../../src/simulator";
import { diskChecksum } from "../../../src/simulator/volumes";
import { createRig, mebibyte, type Rig, token, until } from "./harness";

const fingerprint = Array.from({ length: 32 }, () => "AB").join(":");
const secret = "3a6cd1c5-0000-4000-8000-000000000002";
const stepMs = 1_300;

async function beginMigration(online: boolean, deleteSource: boolean): Promise<{ rig: Rig; upid: string; checksum: string }> {
  const layout = smallLayout({ remoteMigration: true });
  for (const cluster of layout.clusters) {
    cluster.tokens = [{ tokenid: token, secret }];
    cluster.uplinkBytesPerSecond = 4 * mebibyte;
  }
  const rig = createRig({ layout });
  const fra = rig.cluster("fra");
  fra.fingerprint = fingerprint;
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, memory: 16, scsi0: "nvme:0.0625", net0: "virtio,bridge=vmbr0" });
  rig.write("ams", "ams-1", "nvme:vm-100-disk-0", 0, 40);
  if (online) await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
  const upid = await rig.begin("POST", "ams/nodes/ams-1/qemu/100/remote_migrate", {
    "target-endpoint": `host=${fra.nodes["fra-1"]!.ip},apitoken=PVEAPIToken=${token}=${secret},fingerprint=${fingerprint}`,
    "target-vmid": 300,
    "target-storage": "nvme",
    "target-bridge": "vmbr0",
    online: online ? 1 : 0,
    delete: deleteSource ? 1 : 0,
  });
  return { rig, upid, checksum: diskChecksum(rig.volume("ams", "ams-1", "nvme:vm-100-disk-0").blocks) };
}

const interruptions: Record<string, (rig: Rig, upid: string) => void> = {
  "the source's worker is stopped": (rig, upid) => void rig.world.tasks.stop(upid),
  "the source's worker is killed": (rig, upid) => rig.world.tasks.kill(upid),
  "the target's worker is killed": (rig) => {
    for (const worker of rig.world.tasks.listRunning("fra")) rig.world.tasks.kill(worker);
  },
  "the target cannot be reached any more": (rig) => {
    rig.cluster("fra").down = true;
    rig.world.announceNodeChange();
  },
};

/** The disk of a guest that is there, `undefined` when guest or disk is not. */
function diskOf(rig: Rig, cluster: string, node: string, vmid: number): string | undefined {
  const volid = rig.guest(cluster, vmid)?.config.scsi0?.split(",")[0];
  return volid === undefined ? undefined : diskChecksum(rig.volume(cluster, node, volid).blocks);
}

async function endOf(online: boolean, deleteSource: boolean): Promise<number> {
  const { rig, upid } = await beginMigration(online, deleteSource);
  const beganMs = rig.world.clock.nowMs();
  expect((await rig.finish(upid)).exitStatus).toBe("OK");
  return rig.world.clock.nowMs() - beganMs;
}

test.each([
  ["running", true, false],
  ["running, then deleted", true, true],
  ["stopped", false, false],
  ["stopped, then deleted", false, true],
] as const)("of a guest that is %s", async (_, online, deleteSource) => {
  const durationMs = await endOf(online, deleteSource);
  let points = 0;
  for (const [name, interrupt] of Object.entries(interruptions)) {
    for (let atMs = 0; atMs <= durationMs; atMs += stepMs) {
      const { rig, upid, checksum } = await beginMigration(online, deleteSource);
      await rig.world.clock.advance(atMs);
      interrupt(rig, upid);
      const task = await rig.finish(upid);
      await until(rig, () => rig.world.tasks.listRunning("fra").length === 0);
      const [source, target] = [rig.guest("ams", 100), rig.guest("fra", 300)];
      const what = `${name} after ${atMs} ms: ${task.exitStatus}`;
      const states = [source?.qmpStatus, target?.qmpStatus];
      expect([what, states.filter((state) => state === "running").length <= 1]).toEqual([what, true]);
      // Whoever is there to go on has everything; the source loses its disk only after the target has it.
      const disks = [diskOf(rig, "ams", "ams-1", 100), diskOf(rig, "fra", "fra-1", 300)];
      expect([what, disks.includes(checksum)]).toEqual([what, true]);
      if (source === undefined) expect([what, disks[1]]).toEqual([what, checksum]);
      if (target && target.config.lock === undefined) expect([what, disks[1]]).toEqual([what, checksum]);
      if (task.exitStatus === "migration aborted")
        expect([what, source?.config.lock, states[0] === "running"]).toEqual([what, undefined, online]);
      points += 1;
    }
  }
  expect(points).toBeGreaterThan(40);
});
