/**
 * High availability and replication of a guest: read at the source, put to rest there while it moves (`ignored`: HA keeps its
 * hands off, and its groups and rules stay as they are), and set up again at the target.
 */
import type { GuestRow, HaResource, HaRule, ProxmoxApi, ReplicationJob } from "../proxmox";
import type { MoveJournal } from "./mark";
import { type GuestRef, type Pace, repeatAfterLostReply } from "./operations";
import type { Route } from "./route";

/** What a guest belongs to beside its own configuration; kept in the journal. */
export interface Membership {
  ha?: Omit<HaResource, "vmid"> & { rules: Pick<HaRule, "rule" | "type">[] };
  replication?: Omit<ReplicationJob, "vmid">[];
}

/** Where it is read from. */
export interface MembershipLists {
  replication: Pick<ProxmoxApi["replication"], "list">;
  ha: Pick<ProxmoxApi["ha"], "findResource" | "listRules">;
}

/** How long HA may take to let go: its managers look every ten seconds. */
const HA_PATIENCE_MS = 60_000;

/** @param managed whether HA knows the guest: only then its lists, which need Sys.Audit on /, are read */
export async function readMembership({ api, vmid }: { api: MembershipLists; vmid: number }, managed: boolean): Promise<Membership> {
  const jobs = (await api.replication.list()).filter((job) => job.vmid === vmid).map(({ vmid: _own, ...job }) => job);
  const resource = managed ? await api.ha.findResource(vmid) : undefined;
  const rules = resource ? (await api.ha.listRules()).filter((rule) => rule.resources.includes(`vm:${vmid}`)) : [];
  const { vmid: _own, ...ha } = resource ?? { vmid, state: "" };
  return {
    ...(resource ? { ha: { ...ha, rules: rules.map(({ rule, type }) => ({ rule, type })) } } : {}),
    ...(jobs.length > 0 ? { replication: jobs } : {}),
  };
}

export interface TargetSide {
  route: Pick<Route, "target" | "nodeNames" | "haNames">;
  node: string;
  nodes: readonly string[];
  /** Names of the target's HA rules; with version 8 of its groups. */
  haNames: readonly string[];
  /** Plugin types of the storages the disks go to. */
  storageTypes: readonly string[];
}

/** What of it has no counterpart at the target, in words with what to do. Pure. */
export function membershipFindings(membership: Membership, target: TargetSide): string[] {
  const { route } = target;
  const findings: string[] = [];
  for (const name of haNamesOf(membership)) {
    const there = route.haNames?.[name] ?? name;
    if (!target.haNames.includes(there))
      findings.push(
        `its HA group or rule ${name} has no counterpart ${there} on ${route.target}: create it there, map it in ha_names of the path, or take the guest out of it`,
      );
  }
  for (const { job, targetNode } of membership.replication ?? []) {
    const there = route.nodeNames?.[targetNode] ?? targetNode;
    const what = `its replication job ${job} to node ${targetNode}`;
    if (!target.nodes.includes(there))
      findings.push(
        `${what} has no counterpart: ${route.target} has no node ${there}. Map it in node_names of the path, or remove the job`,
      );
    else if (there === target.node) findings.push(`${what} would replicate to the node it goes to: map it in node_names of the path`);
    else if (target.storageTypes.some((type) => type !== "zfspool"))
      findings.push(`${what} needs ZFS storages on ${route.target}: choose a storage class that is one there, or remove the job`);
  }
  return findings;
}

function haNamesOf({ ha }: Membership): string[] {
  return ha ? [...(ha.group === undefined ? [] : [ha.group]), ...ha.rules.map(({ rule }) => rule)] : [];
}

/** Before the shutdown: HA would start the guest again. */
export async function releaseFromHa(source: GuestRef, { ha }: Membership, pace: Pace): Promise<void> {
  if (!ha) return;
  const current = await source.api.ha.findResource(source.vmid);
  if (!current || current.state === "ignored") return;
  await repeatAfterLostReply(pace, () => source.api.ha.setState(source.vmid, "ignored"));
  const deadlineMs = pace.nowMs() + HA_PATIENCE_MS;
  // One that is held on to longer is found running after its shutdown, and shut down again before the fence.
  while (pace.nowMs() < deadlineMs && isHeld(await findRow(source))) await pace.sleep(2_000);
}

async function findRow({ api, vmid }: GuestRef): Promise<GuestRow | undefined> {
  const row = (await api.listResources()).find((candidate) => candidate.kind === "guest" && candidate.vmid === vmid);
  return row?.kind === "guest" ? row : undefined;
}

function isHeld(row: GuestRow | undefined): boolean {
  return row?.haState !== undefined && row.haState !== "ignored";
}

/** After a rollback: HA looks after the source as before. */
export async function returnToHa(source: GuestRef, { ha }: Pick<MoveJournal, "ha">, pace: Pace): Promise<void> {
  if (!ha || ha.state === "ignored") return;
  const current = await source.api.ha.findResource(source.vmid);
  if (current?.state === "ignored") await repeatAfterLostReply(pace, () => source.api.ha.setState(source.vmid, ha.state));
}

/** Sets up at the target what the source belonged to. Safe to repeat. */
export async function joinAtTarget(
  target: GuestRef,
  route: Pick<Route, "nodeNames" | "haNames">,
  { ha, replication }: Membership,
  running: boolean,
  pace: Pace,
): Promise<void> {
  // A guest that shall stand still must not be started by HA.
  if (ha) await joinHa(target, route, running ? ha : { ...ha, state: "stopped" }, pace);
  if (!replication) return;
  const existing = (await target.api.replication.list()).filter((job) => job.vmid === target.vmid);
  for (const job of replication) {
    if (existing.some((other) => other.job === job.job)) continue;
    const targetNode = route.nodeNames?.[job.targetNode] ?? job.targetNode;
    await create(
      () => target.api.replication.create({ ...job, vmid: target.vmid, targetNode }),
      async () => (await target.api.replication.list()).some((other) => other.vmid === target.vmid && other.job === job.job),
      pace,
    );
  }
}

async function joinHa(target: GuestRef, route: Pick<Route, "haNames">, ha: NonNullable<Membership["ha"]>, pace: Pace): Promise<void> {
  const { api, vmid } = target;
  const { group, rules, failback, ...rest } = ha;
  const byRules = (await api.getVersion()).major >= 9;
  const known = (name: string) => route.haNames?.[name] ?? name;
  if (!(await api.ha.findResource(vmid)))
    await create(
      () =>
        api.ha.addResource({
          ...rest,
          vmid,
          ...(byRules ? (failback === undefined ? {} : { failback }) : groupOf(haNamesOf({ ha }).map(known))),
        }),
      async () => (await api.ha.findResource(vmid)) !== undefined,
      pace,
    );
  if (!byRules) return;
  const wanted = new Set([...(group === undefined ? [] : [group]), ...rules.map(({ rule }) => rule)].map(known));
  for (const rule of await api.ha.listRules()) {
    if (!wanted.has(rule.rule) || rule.resources.includes(`vm:${vmid}`)) continue;
    await repeatAfterLostReply(pace, () => api.ha.setRuleMembers(rule, [...rule.resources, `vm:${vmid}`]));
  }
}

/** Version 8 knows one group per guest. */
function groupOf([group]: string[]): { group?: string } {
  return group === undefined ? {} : { group };
}

/** A create whose answer was lost is looked for before it is repeated. */
async function create(call: () => Promise<void>, isThere: () => Promise<boolean>, pace: Pace): Promise<void> {
  await repeatAfterLostReply(pace, async () => {
    if (!(await isThere())) await call();
  });
}

/** Names that a target's HA knows: rules from Proxmox VE 9 on, groups before. */
export async function listHaNames(api: ProxmoxApi): Promise<string[]> {
  if ((await api.getVersion()).major >= 9) return (await api.ha.listRules()).map(({ rule }) => rule);
  return api.ha.listGroups();
}
