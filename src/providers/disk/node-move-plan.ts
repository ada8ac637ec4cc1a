/** Planning the move of a disk to another node of its cluster: why it goes, and what would stop it. */
import { describeNeed, type MigrationSummary, missingPrivileges, nodeMoveNeeds, readMarkedGuest } from "../../migration";
import { readClusterFacts } from "../cluster-facts";
import type { Session } from "../session";
import type { Whereabouts } from "../whereabouts";
import { describeUser } from "./attachment";
import { isNodeLocal, summarizeNodeMove } from "./node-move";
import { volidOf } from "./owner";
import type { DiskSpec } from "./spec";
import type { DiskInputs } from "./state";

interface NodeMoveIntent {
  spec: DiskSpec;
  inputs: DiskInputs;
  /** Proxmox pool of the owner. */
  pool: string;
  home: Whereabouts["home"];
  /** Of the new place, as placement has it. */
  reason: string | undefined;
}

/** `undefined`: it is there, or all nodes reach it where the VM is that uses it. */
export async function planNodeMove(
  session: Session,
  { spec, inputs, pool, home, reason }: NodeMoveIntent,
): Promise<{ migration: MigrationSummary } | { failure: string } | undefined> {
  const { cluster, node, storages } = inputs.placement;
  if (!home || home.cluster !== cluster || home.row.node === node) return undefined;
  const isLocal = await isNodeLocal(session, cluster, storages[0]!);
  if (spec.attachTo && !isLocal) return undefined;
  const where = `Disk ${spec.name} must leave ${cluster}/${home.row.node} for ${node}`;
  const { permissions } = await readClusterFacts(session, cluster);
  const missing = missingPrivileges(permissions, nodeMoveNeeds({ vmid: home.row.vmid, pool }));
  if (missing.length > 0) return { failure: `${where}, but the token of ${cluster} lacks ${missing.map(describeNeed).join(", ")}.` };
  const used = spec.attachTo ? undefined : await findUser(session, cluster, home.row);
  if (used !== undefined) return { failure: `${where}, but ${used}: detach it there, or keep its node.` };
  const migration = summarizeNodeMove({
    from: `${cluster}/${home.row.node}`,
    to: `${cluster}/${node}`,
    // Only the owner's configuration goes where every node reaches the volume.
    sizeBytes: isLocal ? inputs.__sizeBytes : 0,
    reason: spec.attachTo ? "it is on node-local storage and goes to the VM that is to use it" : (reason ?? `node ${node} is declared`),
  });
  return { migration };
}

/** What the program has declared as detached it detaches first; that is no reason to refuse. */
async function findUser(session: Session, cluster: string, { node, vmid }: { node: string; vmid: number }): Promise<string | undefined> {
  const owner = await readMarkedGuest({ api: await session.client(cluster), node, vmid });
  const volid = owner && volidOf(owner);
  return owner === undefined || volid === undefined || owner.mark?.attachedTo ? undefined : describeUser(owner, volid);
}
