/** What the HA manager knows of its services. */
import type { ClusterState } from "../kernel";
import type { HaService } from "../state";

/** Writes a command down for the manager; one that does not run never reads it. */
export function queueHaCommand(cluster: ClusterState, sid: string, command: NonNullable<HaService["command"]>): void {
  const service = cluster.ha.services?.[sid];
  if (service) service.command = command;
}

export function vmidOf(sid: string): number {
  return Number(sid.split(":")[1]);
}

/** `100` means `vm:100`. */
export function fullSid(text: string): string {
  return /^\d+$/.test(text) ? `vm:${text}` : text;
}

/** Node → priority of a list such as `n1:2,n2`. */
export function parseNodePriorities(text: string | undefined): Record<string, number> {
  const entries = (text ?? "").split(/[,;\s]+/).filter((item) => item !== "");
  return Object.fromEntries(
    entries.map((entry) => {
      const [node = "", priority] = entry.split(":");
      return [node, Number(priority ?? 0)];
    }),
  );
}
