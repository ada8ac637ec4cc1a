/** Bringing the source to a stand behind its fence. */
import { releaseFromHa } from "./membership";
import type { MoveState } from "./move-state";
import { putConfig, shutDownGuest } from "./operations";

/** Stopped and unable to start when this resolves; safe to repeat. */
export async function stopAndFenceSource(move: MoveState): Promise<void> {
  const { source, shutdown, name, route } = move.request;
  for (let attempt = 1; ; attempt++) {
    const status = await source.api.qemu.getStatus(source.node, source.vmid);
    const fenced = move.source.config.values.template === "1";
    if (fenced && status.status === "stopped") return;
    if (attempt > 3)
      throw new Error(
        `vm ${source.vmid} on ${source.api.clusterId} is started again each time it is shut down: something else manages it. Stop that first.`,
      );
    move.stopIfCancelled();
    await releaseFromHa(source, move.begun, move.pace);
    if (status.status === "running") {
      if (move.begun.step === "preparing" || move.begun.step === "warming") await move.change({ step: "stopping" });
      // First stop, then fence: `template` on a running guest would only be pending.
      move.pace.report(`${name}: shutting down on ${route.source}`);
      await shutDownGuest(source, shutdown, move.pace);
    }
    // Reversible, and the one thing that stops an accidental start, even during the backup (live finding 29).
    await putConfig(source, { set: { template: 1, onboot: 0 } }, move.pace);
    await move.readSource();
  }
}

/** Whether it has stood still behind its fence, as far as can be seen. */
export async function isSourceFenced(move: MoveState): Promise<boolean> {
  const { source } = move.request;
  if (move.source.config.values.template !== "1") return false;
  return (await source.api.qemu.getStatus(source.node, source.vmid)).status === "stopped";
}
