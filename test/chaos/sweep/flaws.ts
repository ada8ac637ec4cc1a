/** What must hold when a disturbed operation has been run again; an empty list is what the sweep wants. */
import type { StackState } from "../../support/replay-model";
import type { Truth } from "./truth";

export interface Expectation {
  /** Before the disturbed operation. */
  before: Truth;
  /** After the same operation, undisturbed. */
  clean: Truth;
  cleanState: StackState;
}

export function flawsOf(now: Truth, state: StackState, { before, clean, cleanState }: Expectation): string[] {
  const flaws: string[] = [];
  const same = (what: string, found: string[], wanted: string[]) => {
    for (const line of difference(found, wanted)) flaws.push(`${what}: ${line}`);
  };
  same("foreign guest", foreign(now), foreign(before));
  same("guest", ours(now), ours(clean));
  same("pool", now.pools, clean.pools);
  same("archive", now.archives, before.archives);
  same("orphan disk", now.orphans, before.orphans);
  same("HA, replication or backup job", now.jobs, clean.jobs);
  same("task that still runs", now.runningTasks, []);
  same("resource in the state", namesOf(state), namesOf(cleanState));
  if (state.pendingCreates.length > 0) flaws.push(`pending creates in the state: ${state.pendingCreates.join(", ")}`);
  for (const resource of state.resources) {
    const { vmid, placement } = resource.outputs as { vmid?: number; placement?: { cluster?: string } };
    if (vmid === undefined || placement?.cluster === undefined) continue;
    const there = now.guests.some((guest) => guest.ours && guest.vmid === vmid && guest.cluster === placement.cluster);
    if (!there) flaws.push(`the state has ${resource.name} as vm ${vmid} on ${placement.cluster}, where it is not`);
  }
  return flaws;
}

/** Where they are may differ, since a cluster that was down takes no guests; what they are and hold may not. */
const ours = (truth: Truth) => truth.guests.filter((guest) => guest.ours).map(({ shape, disks }) => `${shape} ${JSON.stringify(disks)}`);

const foreign = (truth: Truth) =>
  truth.guests
    .filter((guest) => !guest.ours)
    .map(({ cluster, vmid, exact, disks }) => `${cluster}/${vmid} ${exact} ${JSON.stringify(disks)}`);

const namesOf = ({ resources }: StackState) =>
  resources.map(
    ({ name, delete: condemned, initErrors }) => `${name}${condemned ? " (to delete)" : ""}${initErrors.length > 0 ? " (partial)" : ""}`,
  );

/** As lists in which every line counts as often as it stands there. */
function difference(found: string[], wanted: string[]): string[] {
  const left = [...wanted];
  const extra = found.filter((line) => {
    const index = left.indexOf(line);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
  return [...extra.map((line) => `unexpected ${line}`), ...left.map((line) => `missing ${line}`)];
}
