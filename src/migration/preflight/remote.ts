/** Findings about a remote migration: what Proxmox refuses, some of it only inside the task. Pure. */
import { findDriveSlot } from "../../proxmox";
import { describeNeed, missingPrivileges, type Need } from "../permissions";
import type { Route } from "../route";
import type { PreflightFacts, RemoteFacts } from "./facts";

/** Storage types that hold disks as files, and so take every format. */
const FILE_TYPES = ["dir", "nfs", "cifs", "cephfs", "glusterfs", "btrfs"];

export function remoteFindings(route: Route, facts: PreflightFacts): string[] {
  const { remote } = facts;
  if (!remote) return [];
  return [
    ...(remote.endpointProblem === undefined ? [] : [remote.endpointProblem]),
    ...membershipRefusals(facts),
    ...driveRefusals(facts, remote),
    ...remotePrivilegeFindings(route, facts),
  ];
}

function membershipRefusals({ membership }: PreflightFacts): string[] {
  return [
    ...(membership?.ha
      ? ["it is managed by HA, and Proxmox refuses to send such a guest: remove it from HA, or use method: backup-restore"]
      : []),
    ...(membership?.replication
      ? ["it is replicated, and Proxmox refuses to send such a guest: remove its replication, or use method: backup-restore"]
      : []),
  ];
}

function driveRefusals({ config, guest, targetStorages }: PreflightFacts, remote: RemoteFacts): string[] {
  const findings: string[] = [];
  for (const [key, value] of Object.entries(config.values)) {
    const slot = findDriveSlot(key);
    if (!slot) continue;
    const volid = value.split(",")[0]!;
    if (volid === "none") continue;
    if (volid === "cdrom" || volid.startsWith("/")) findings.push(`${key} (${volid}) is a device of its host: remove it`);
    else if (volid.includes(":iso/"))
      findings.push(`${key} (${volid}) is an inserted image, which the other cluster need not have: eject it`);
    else findings.push(...volumeRefusals(key, volid, { vmid: guest.vmid, remote, target: targetStorages[0] }));
  }
  return findings;
}

function volumeRefusals(
  key: string,
  volid: string,
  { vmid, remote, target }: { vmid: number; remote: RemoteFacts; target: string | undefined },
): string[] {
  const name = volid.slice(Math.max(volid.lastIndexOf("/"), volid.indexOf(":")) + 1);
  if (!name.startsWith(`vm-${vmid}-`))
    return [
      `${key} (${volid}) belongs to another guest or a template, and Proxmox refuses to send it along: detach it, or use method: backup-restore`,
    ];
  // A running guest's disks are mirrored, from any storage to any other; what rests is sent as it is stored.
  const generated = name.includes("-cloudinit") || key.startsWith("tpmstate");
  if (remote.online && !generated && !key.startsWith("unused")) return [];
  const from = remote.storageTypes.source[volid.slice(0, volid.indexOf(":"))];
  const to = target === undefined ? undefined : remote.storageTypes.target[target];
  if (from === undefined || to === undefined || travels(formatOf(name), from, to)) return [];
  return [
    `${key} (${volid}, ${formatOf(name)} on ${from}) cannot be sent to storage ${target} (${to}): Proxmox converts nothing on the way. Choose a storage of a kindred type, or use method: backup-restore`,
  ];
}

function formatOf(name: string): string {
  return /\.(qcow2|vmdk)$/.exec(name)?.[1] ?? "raw";
}

function travels(format: string, from: string, to: string): boolean {
  if (from === "zfspool" || to === "zfspool") return from === to;
  if (format !== "raw") return FILE_TYPES.includes(from) && FILE_TYPES.includes(to);
  return true;
}

/** Rights on `/vms`, not on a pool: the guest arrives under a new vmid that is in no pool yet. */
function remotePrivilegeFindings(route: Route, facts: PreflightFacts): string[] {
  const { guest, pool, targetStorages, targetBridges } = facts;
  const own = [`/vms/${guest.vmid}`, ...(guest.pool === undefined ? [] : [`/pool/${guest.pool}`])];
  const source: Need[] = [
    { paths: own, privilege: "VM.Audit", why: "read the guest" },
    { paths: own, privilege: "VM.Migrate", why: "send it" },
    { paths: own, privilege: "VM.PowerMgmt", why: "shut it down" },
    { paths: own, privilege: "VM.Config.Options", why: "fence and mark it" },
    { paths: own, privilege: "VM.Allocate", why: "delete it when it has moved" },
  ];
  const config = ["Options", "CPU", "Memory", "Disk", "CDROM", "Cloudinit", "Network", "HWType"];
  const target: Need[] = [
    { paths: ["/"], privilege: "Sys.Audit", why: "find the node that answers" },
    { paths: ["/"], privilege: "Sys.Incoming", why: "let guests in" },
    ...["VM.Allocate", "VM.Audit", "VM.PowerMgmt", ...config.map((key) => `VM.Config.${key}`)].map((privilege) => ({
      paths: ["/vms"],
      privilege,
      why: "receive the guest",
    })),
    ...(pool === undefined ? [] : [{ paths: [`/pool/${pool}`], privilege: "Pool.Allocate", why: "put it into its pool" }]),
    ...[...new Set(targetStorages)].map((storage) => ({
      paths: [`/storage/${storage}`],
      privilege: "Datastore.AllocateSpace",
      why: "create the disks",
    })),
    ...targetBridges.map((bridge) => ({ paths: [`/sdn/zones/localnetwork/${bridge}`], privilege: "SDN.Use", why: "connect the guest" })),
  ];
  return [
    ...missingPrivileges(facts.sourcePermissions, source).map((need) => `the token of ${route.source} lacks ${describeNeed(need)}`),
    ...missingPrivileges(facts.targetPermissions, target).map((need) => `the token of ${route.target} lacks ${describeNeed(need)}`),
  ];
}
