/** The second half for a running guest: its disks, then its memory. */
import type { GuestState } from "../../kernel";
import { memoryMebibytes } from "../lookup";
import { type Mirror, sendMemory } from "./copying";
import { openChannel, type Passage } from "./passage";

const setUpMs = 1_000;
/** What of its memory a running guest has touched. */
const usedMemoryShare = 0.5;
/** The guest stands still while the last of its memory travels. */
const downtimeMs = 50;

/** When it resolves, the source's process stands still and the target has everything. */
export async function moveRunning(passage: Passage, guest: GuestState, mirrors: readonly Mirror[]): Promise<void> {
  const { report, task, tunnel } = passage;
  await tunnel.start();
  report.told("start");
  report.log(`Setting up tunnel for '/run/qemu-server/${guest.vmid}.migrate'`);
  if (mirrors.length > 0) report.log(`Setting up tunnel for '/run/qemu-server/${guest.vmid}_nbd.migrate'`);
  await task.pass(setUpMs);
  await mirrorDisks(passage, guest, mirrors);
  await moveMemory(passage, guest, mirrors);
}

async function mirrorDisks({ report, task }: Passage, guest: GuestState, mirrors: readonly Mirror[]): Promise<void> {
  if (mirrors.length === 0) return;
  report.log("starting storage migration");
  for (const mirror of mirrors) {
    const uri = `nbd:unix:/run/qemu-server/${guest.vmid}_nbd.migrate:exportname=drive-${mirror.driveKey}`;
    report.log(`${mirror.driveKey}: start migration to ${uri}`);
    await mirror.copyAll();
  }
  task.log("all 'mirror' jobs are ready");
  report.log("switching mirror jobs to actively synced mode");
}

async function moveMemory(passage: Passage, guest: GuestState, mirrors: readonly Mirror[]): Promise<void> {
  const { report, task } = passage;
  const uri = `unix:/run/qemu-server/${guest.vmid}.migrate`;
  report.log(`starting online/live migration on ${uri}`);
  report.log("set migration capabilities");
  const channel = await openChannel(passage);
  report.log("migration downtime limit: 100 ms");
  report.log("set migration parameters");
  report.log(`start migrate command to ${uri}`);
  const memoryBytes = memoryMebibytes(guest.runningConfig ?? guest.config) * 1024 * 1024;
  await sendMemory(channel, Math.floor(memoryBytes * usedMemoryShare));
  for (const mirror of mirrors) await mirror.catchUp();
  guest.qmpStatus = "paused";
  await task.pass(downtimeMs);
  for (const mirror of mirrors) mirror.finish();
  report.log(`migration completed, downtime ${downtimeMs} ms`);
  report.log("migration status: completed");
  for (const { driveKey } of mirrors) {
    task.log(`drive-${driveKey}: Completing block job...`);
    task.log(`drive-${driveKey}: Completed successfully.`);
    task.log(`drive-${driveKey}: mirror-job finished`);
  }
}
