/** Privileges and built-in roles of both eras. */
import type { Era } from "./state";

const common = {
  datastore: ["Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit"],
  mapping: ["Mapping.Audit", "Mapping.Modify", "Mapping.Use"],
  pool: ["Pool.Allocate", "Pool.Audit"],
  sdn: ["SDN.Allocate", "SDN.Audit", "SDN.Use"],
  system: ["Sys.AccessNetwork", "Sys.Audit", "Sys.Console", "Sys.Incoming", "Sys.Modify", "Sys.PowerMgmt", "Sys.Syslog"],
  user: ["Group.Allocate", "Realm.AllocateUser", "User.Modify"],
  administration: ["Permissions.Modify", "Realm.Allocate"],
  guest: [
    "VM.Allocate",
    "VM.Audit",
    "VM.Backup",
    "VM.Clone",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Console",
    "VM.Migrate",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
  ],
} as const;

/** 9 replaced the one privilege for monitor and agent by several. */
const guestByEra: Record<Era, readonly string[]> = {
  "8.4": ["VM.Monitor"],
  "9.2": [
    "VM.GuestAgent.Audit",
    "VM.GuestAgent.FileRead",
    "VM.GuestAgent.FileSystemMgmt",
    "VM.GuestAgent.FileWrite",
    "VM.GuestAgent.Unrestricted",
    "VM.Replicate",
  ],
};

const agentOfPlainUsers: Record<Era, readonly string[]> = {
  "8.4": [],
  "9.2": ["VM.GuestAgent.Audit", "VM.GuestAgent.FileRead", "VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.FileWrite"],
};

function rolesOf(era: Era): Record<string, readonly string[]> {
  const guest = [...common.guest, ...guestByEra[era]];
  const administrative = ["Sys.Audit", "Sys.Console", "Sys.Syslog"];
  const { datastore, mapping, pool, sdn, system, user, administration } = common;
  const roles: Record<string, readonly string[]> = {
    Administrator: [...datastore, ...mapping, ...pool, ...sdn, ...system, ...user, ...administration, ...guest],
    NoAccess: [],
    PVEAdmin: [...datastore, "Mapping.Audit", "Mapping.Use", ...pool, ...sdn, ...administrative, ...user, ...guest],
    PVEAuditor: [
      "Datastore.Audit",
      "Mapping.Audit",
      "Pool.Audit",
      "SDN.Audit",
      "Sys.Audit",
      "VM.Audit",
      ...(era === "9.2" ? ["VM.GuestAgent.Audit"] : []),
    ],
    PVEDatastoreAdmin: datastore,
    PVEDatastoreUser: ["Datastore.AllocateSpace", "Datastore.Audit"],
    PVEMappingAdmin: mapping,
    PVEMappingUser: ["Mapping.Audit", "Mapping.Use"],
    PVEPoolAdmin: pool,
    PVEPoolUser: ["Pool.Audit"],
    PVESDNAdmin: sdn,
    PVESDNUser: ["SDN.Audit", "SDN.Use"],
    PVESysAdmin: administrative,
    PVETemplateUser: ["VM.Audit", "VM.Clone"],
    PVEUserAdmin: user,
    PVEVMAdmin: guest,
    PVEVMUser: ["VM.Audit", "VM.Backup", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console", ...agentOfPlainUsers[era], "VM.PowerMgmt"],
  };
  return Object.fromEntries(Object.entries(roles).map(([role, privileges]) => [role, [...privileges].sort()]));
}

/** Role → privileges, sorted. */
export const builtInRoles: Record<Era, Record<string, readonly string[]>> = { "8.4": rolesOf("8.4"), "9.2": rolesOf("9.2") };

/** Every privilege the era knows, sorted. */
export function allPrivileges(era: Era): readonly string[] {
  return builtInRoles[era].Administrator ?? [];
}
