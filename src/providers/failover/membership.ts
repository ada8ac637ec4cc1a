/**
 * HA and replication of a VM. Neither is in a backup, and once its cluster is lost nobody can be asked: so every update keeps what
 * there was, in the inputs of the VM, and a failover sets up again what has a counterpart at the target.
 */
import {
  describeNeed,
  listHaNames,
  type Membership,
  membershipFindings,
  membershipNeeds,
  missingPrivileges,
  planRoute,
  readMembership,
} from "../../migration";
import { type GuestRow, isProxmoxError } from "../../proxmox";
import { readClusterFacts } from "../cluster-facts";
import type { Session } from "../session";

/**
 * What the VM belongs to now; `known` where the token may not see it. A cluster without HA and ZFS is not asked at all.
 * @param home where the VM is, on a cluster that answers
 */
export async function rememberMembership(
  session: Session,
  { cluster: id, row }: { cluster: string; row: GuestRow },
  known: Membership | undefined,
): Promise<Membership | undefined> {
  const managed = row.haState !== undefined && row.haState !== "ignored";
  // Replication is for guests on ZFS only.
  const replicates = (await session.reachable(id))?.storages.some(({ pluginType }) => pluginType === "zfspool") ?? false;
  if (!managed && !replicates) return undefined;
  const { replication, ha } = await session.client(id);
  const api = {
    replication: { list: () => session.once(`replication ${id}`, () => replication.list()) },
    ha: {
      findResource: (vmid: number) => ha.findResource(vmid),
      listRules: () => session.once(`ha rules ${id}`, () => ha.listRules()),
    },
  };
  try {
    const membership = await readMembership({ api, vmid: row.vmid }, managed);
    return membership.ha || membership.replication ? membership : undefined;
  } catch (error) {
    if (!isProxmoxError(error, "PERMISSION")) throw error;
    await session.once(`unseen membership ${id}`, async () =>
      session.pace.report(
        `warning: HA and replication on ${id} cannot be read (the token lacks Sys.Audit on /): a failover would not set them up again`,
      ),
    );
    return known;
  }
}

export interface PlannedMembership {
  membership: Membership;
  nodeNames?: Record<string, string>;
  haNames?: Record<string, string>;
}

/** What of it is set up at the target, and for people what is and what is not. Nothing of it stops a failover. */
export async function planMembership(
  session: Session,
  lost: { cluster: string; vmid: number },
  pool: string,
  placement: { cluster: string; node: string; storages: readonly string[] },
  membership: Membership,
): Promise<{ plan?: PlannedMembership; summary: string }> {
  const routed = planRoute(await session.federation(), lost.cluster, placement.cluster);
  const names = routed.ok ? { nodeNames: routed.route.nodeNames, haNames: routed.route.haNames } : {};
  const target = await session.reachable(placement.cluster);
  const { permissions, major } = await readClusterFacts(session, placement.cluster);
  const lacks = (part: Membership) =>
    missingPrivileges(permissions, [
      ...(part.ha ? [{ paths: ["/"], privilege: "Sys.Audit", why: "see HA" }] : []),
      ...membershipNeeds(part, { vmid: lost.vmid, pool, major }),
    ]).map((need) => `the token of ${placement.cluster} lacks ${describeNeed(need)}`);
  const maySeeHa = membership.ha !== undefined && lacks({ ha: membership.ha }).length === 0;
  const side = {
    route: { target: placement.cluster, ...names },
    node: placement.node,
    nodes: (target?.nodes ?? []).map(({ node }) => node),
    haNames: maySeeHa ? await listHaNames(await session.client(placement.cluster)) : [],
    storageTypes: (target?.storages ?? [])
      .filter(({ storage, node }) => node === placement.node && placement.storages.includes(storage))
      .map(({ pluginType }) => pluginType ?? ""),
  };
  const findingsOf = (part: Membership) => {
    const missing = lacks(part);
    return missing.length > 0 ? missing : membershipFindings(part, side);
  };
  const { ha, replication = [] } = membership;
  const kept: Membership = {};
  const lines: string[] = [];
  const decide = (what: string, part: Membership, keep: () => void) => {
    const findings = findingsOf(part);
    if (findings.length === 0) keep();
    lines.push(findings.length === 0 ? `${what} is set up again` : `${what} is not set up again: ${findings.join("; ")}`);
  };
  if (ha) decide(`HA (${ha.state})`, { ha }, () => Object.assign(kept, { ha }));
  for (const job of replication)
    decide(`replication to ${names.nodeNames?.[job.targetNode] ?? job.targetNode}`, { replication: [job] }, () => {
      kept.replication = [...(kept.replication ?? []), job];
    });
  return { ...(kept.ha || kept.replication ? { plan: { membership: kept, ...names } } : {}), summary: lines.join("; ") };
}
