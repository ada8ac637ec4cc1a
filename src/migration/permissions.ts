/**
 * Privileges, evaluated by us before anything starts: Proxmox checks several of them only inside the task
 * (live findings 3 and 30). Pure.
 */
import type { BackupLocation, Permissions } from "../proxmox";

/** `/access/permissions` lists roots, ACL paths and pool members; anything else inherits what propagates from above. */
export function hasPrivilege(permissions: Permissions, path: string, privilege: string): boolean {
  const listed = permissions[path];
  if (listed) return listed[privilege] !== undefined;
  if (path === "/") return false;
  for (let above = parentOf(path); ; above = parentOf(above)) {
    const inherited = permissions[above];
    if (inherited) return inherited[privilege] === true;
    if (above === "/") return false;
  }
}

function parentOf(path: string): string {
  const cut = path.lastIndexOf("/");
  return cut <= 0 ? "/" : path.slice(0, cut);
}

export interface Need {
  /** Any of these paths may grant it: a guest has what its pool grants. */
  paths: string[];
  privilege: string;
  /** What it is needed for. */
  why: string;
}

export function missingPrivileges(permissions: Permissions, needs: Need[]): Need[] {
  return needs.filter((need) => !need.paths.some((path) => hasPrivilege(permissions, path, need.privilege)));
}

export function describeNeed(need: Need): string {
  return `${need.privilege} on ${need.paths.join(" or ")} (${need.why})`;
}

/** What sending a guest to another node of its cluster needs. */
export function nodeMoveNeeds({ vmid, pool }: { vmid: number; pool?: string }): Need[] {
  return [{ paths: guestPaths(vmid, pool), privilege: "VM.Migrate", why: "send it to another node" }];
}

/** What the account of a backup server's API needs to have archives there verified. */
export function verificationNeeds({ datastore, namespace }: BackupLocation): Need[] {
  const paths = [backupPath({ datastore, namespace })];
  return [
    { paths, privilege: "Datastore.Audit", why: "see the verdict" },
    { paths, privilege: "Datastore.Verify", why: "verify the archive" },
  ];
}

/** ACL path of a place on a backup server. */
export function backupPath({ datastore, namespace }: BackupLocation): string {
  return ["/datastore", datastore, namespace].filter((part) => part !== "").join("/");
}

/** What the source's token needs for a move by backup and restore (live finding 3). */
export function sourceNeeds(source: { vmid: number; pool?: string; storage: string }): Need[] {
  const guest = guestPaths(source.vmid, source.pool);
  return [
    { paths: guest, privilege: "VM.Audit", why: "read the guest" },
    { paths: guest, privilege: "VM.Backup", why: "back it up and remove the archive" },
    { paths: guest, privilege: "VM.PowerMgmt", why: "shut it down" },
    { paths: guest, privilege: "VM.Config.Options", why: "fence and mark it" },
    { paths: guest, privilege: "VM.Allocate", why: "delete it when it has moved" },
    { paths: [`/storage/${source.storage}`], privilege: "Datastore.AllocateSpace", why: "write the archive" },
  ];
}

/** What the target's token needs; `vmid` is the archive's: Proxmox asks for VM.Backup on it when ids differ. */
export function targetNeeds(target: {
  vmid: number;
  pool?: string;
  /** The source's vmid is taken: the archive is restored to another one. */
  otherVmid?: boolean;
  readStorage: string;
  storages: string[];
  bridges: string[];
}): Need[] {
  const guest = guestPaths(target.vmid, target.pool);
  // Restoring to the same vmid needs no right of its own on the archive, but listing it does; the pool does not hold a stranger.
  const archive = target.otherVmid ? [`/vms/${target.vmid}`] : guest;
  const privileges: [string, string][] = [
    ["VM.Allocate", "claim the vmid and restore"],
    ["VM.Audit", "read the guest"],
    ["VM.Config.Options", "mark it"],
    ["VM.Config.Memory", "claim the vmid"],
    ["VM.PowerMgmt", "start it"],
  ];
  return [
    { paths: archive, privilege: "VM.Backup", why: "read the archive" },
    ...privileges.map(([privilege, why]) => ({ paths: guest, privilege, why })),
    ...[...new Set([target.readStorage, ...target.storages])].map((storage) => ({
      paths: [`/storage/${storage}`],
      privilege: "Datastore.AllocateSpace",
      why: storage === target.readStorage ? "read the archive" : "create the disks",
    })),
    ...target.bridges.map((bridge) => ({ paths: [`/sdn/zones/localnetwork/${bridge}`], privilege: "SDN.Use", why: "connect the guest" })),
  ];
}

/** What the target's token needs to set up there what a guest belongs to. */
export function membershipNeeds(
  { ha, replication }: { ha?: unknown; replication?: unknown },
  target: { vmid: number; pool?: string; major: number },
): Need[] {
  return [
    ...(ha ? [{ paths: ["/"], privilege: "Sys.Console", why: "change its HA entry" }] : []),
    ...(replication ? [replicationNeed(target)] : []),
  ];
}

function replicationNeed({ vmid, pool, major }: { vmid: number; pool?: string; major: number }): Need {
  const why = "set its replication up";
  if (major < 9) return { paths: ["/storage"], privilege: "Datastore.Allocate", why };
  return { paths: guestPaths(vmid, pool), privilege: "VM.Replicate", why };
}

function guestPaths(vmid: number, pool: string | undefined): string[] {
  return pool === undefined ? [`/vms/${vmid}`] : [`/vms/${vmid}`, `/pool/${pool}`];
}
