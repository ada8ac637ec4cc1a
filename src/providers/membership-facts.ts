/** HA and replication of a guest that is to move, and whether the target has their counterparts. */
import { listHaNames, membershipFindings, type PreflightFacts, type Route, readMembership } from "../migration";
import type { GuestRow } from "../proxmox";
import type { Session } from "./session";

export async function readMembershipFacts(
  session: Session,
  route: Route,
  guest: { row: GuestRow; placement: { node: string }; storages: string[] },
): Promise<Pick<PreflightFacts, "membership" | "membershipFindings">> {
  const { row, placement, storages } = guest;
  const source = await session.client(route.source);
  const managed = row.haState !== undefined && row.haState !== "ignored";
  const membership = await readMembership({ api: source, vmid: row.vmid }, managed);
  if (!membership.ha && !membership.replication) return {};
  const target = await session.reachable(route.target);
  const haNames = membership.ha ? await listHaNames(await session.client(route.target)) : [];
  const storageTypes = (target?.storages ?? [])
    .filter(({ storage, node }) => node === placement.node && storages.includes(storage))
    .map(({ pluginType }) => pluginType ?? "");
  const nodes = (target?.nodes ?? []).map(({ node }) => node);
  return { membership, membershipFindings: membershipFindings(membership, { route, node: placement.node, nodes, haNames, storageTypes }) };
}
