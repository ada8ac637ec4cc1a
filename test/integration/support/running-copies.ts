/** Whether a VM ever ran twice at the same time, from the simulator's event log. */
import type { SimulatorEvent } from "../../../src/simulator";

/** Events that end a guest's run, whatever else they say. */
const ENDS = new Set(["stopped", "process-stopped", "guest-stopped", "destroyed"]);

/** One line for each moment at which a guest was started while another one of its name ran. */
export function findDoubleRuns(events: readonly SimulatorEvent[]): string[] {
  const running = new Map<string, string>();
  const findings: string[] = [];
  for (const { kind, detail, sequence } of events) {
    const guest = `${detail.cluster}/${detail.vmid}`;
    if (ENDS.has(kind)) running.delete(guest);
    if (kind !== "started") continue;
    const name = String(detail.name);
    for (const [other, itsName] of running)
      if (itsName === name && other !== guest)
        findings.push(`${name} was started as ${guest} (event ${sequence}) while it ran as ${other}`);
    running.set(guest, name);
  }
  return findings;
}

/** How often each guest was started, by name: proof that the log was not empty. */
export function countStarts(events: readonly SimulatorEvent[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind, detail } of events) if (kind === "started") counts[String(detail.name)] = (counts[String(detail.name)] ?? 0) + 1;
  return counts;
}
