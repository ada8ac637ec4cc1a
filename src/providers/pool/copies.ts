/** The copies of a pool's backups that its members keep of each other, when the pool is set up or looked at. */
import { isOutage } from "../../inventory";
import type { Session } from "../session";
import type { PoolDefinition } from "./spec";
import { areCopiesAsWanted, type CopyWay, copyWays, ensureCopies, removeCopies } from "./sync-jobs";

/** @returns members to which copies could not be set up yet */
export async function settleCopies(
  session: Session,
  definition: PoolDefinition,
  former: PoolDefinition | undefined,
  mark: string,
  pending: readonly string[],
): Promise<string[]> {
  const ways = copyWays(definition, (await session.federation()).backupStores);
  const late: string[] = [];
  const postpone = (error: unknown, what: string, targets: readonly string[]): void => {
    if (!isOutage(error)) throw error;
    session.pace.report(`warning: ${what} of pool ${definition.name} are not set up yet: ${error.message}`);
    late.push(...targets);
  };
  try {
    await removeCopies(session, former?.replication, mark, ways);
  } catch (error) {
    // Of a policy that is gone nobody would know any more what to remove.
    if (ways.length === 0) throw error;
    const targets = ways.map(({ target }) => target);
    postpone(error, "copies", targets);
  }
  for (const way of ways) {
    if (pending.includes(way.source) || pending.includes(way.target) || (await isLostWay(session, way))) continue;
    try {
      await ensureCopies(session, definition, mark, way);
    } catch (error) {
      postpone(error, `copies from ${way.source} to ${way.target}`, [way.target]);
    }
  }
  return late;
}

async function isLostWay(session: Session, { source, target }: CopyWay): Promise<boolean> {
  return (await isLost(session, source)) || (await isLost(session, target));
}

/** Members whose copies are not as declared; what cannot be asked counts as unchanged. */
export async function changedCopies(
  session: Session,
  definition: PoolDefinition,
  mark: string,
  present: readonly string[],
): Promise<string[]> {
  const changed: string[] = [];
  for (const way of copyWays(definition, (await session.federation()).backupStores)) {
    if (!present.includes(way.source) || !present.includes(way.target)) continue;
    if (!(await session.reachable(way.source)) || !(await session.reachable(way.target))) continue;
    try {
      if (!(await areCopiesAsWanted(session, definition, mark, way))) changed.push(way.target);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }
  return changed;
}

/** Declared lost, it is not contacted. */
export async function isLost(session: Session, id: string): Promise<boolean> {
  return (await session.federation()).clusters.find((cluster) => cluster.id === id)?.status === "lost";
}
