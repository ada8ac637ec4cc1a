/** The rights that docs/privileges.md asks for and no more, as roles and ACL entries of a layout. */
import type { LayoutAcl } from "./layout";
import type { Era } from "./state";

/** What asking the guest agent takes. */
const guestPrivileges: Record<Era, string[]> = {
  "8.4": ["VM.Monitor"],
  "9.2": ["VM.GuestAgent.Audit"],
};

export function provisionerRoles(era: Era): Record<string, string[]> {
  return {
    FederationGuests: [
      "VM.Allocate",
      "VM.Audit",
      "VM.Backup",
      "VM.Config.CDROM",
      "VM.Config.CPU",
      "VM.Config.Cloudinit",
      "VM.Config.Disk",
      "VM.Config.HWType",
      "VM.Config.Memory",
      "VM.Config.Network",
      "VM.Config.Options",
      "VM.Migrate",
      "VM.PowerMgmt",
      ...guestPrivileges[era],
    ],
    FederationStorage: ["Datastore.AllocateSpace", "Datastore.Audit"],
    FederationNetwork: ["SDN.Use"],
    FederationPool: ["Pool.Allocate", "Pool.Audit"],
    FederationNode: ["Sys.Audit"],
    FederationIncoming: ["Sys.Audit", "Sys.Incoming"],
  };
}

export interface ProvisionerOptions {
  /** Guests come in by remote migration: what that asks for beside the usual. Default false. */
  remoteMigration?: boolean;
}

/** Grants those roles to a user; a token of it without privilege separation has them too. */
export function provisionerAcl(userid: string, storages: readonly string[], options: ProvisionerOptions = {}): LayoutAcl[] {
  return [
    { path: "/vms", role: "FederationGuests", subject: userid },
    ...storages.map((storage) => ({ path: `/storage/${storage}`, role: "FederationStorage", subject: userid })),
    { path: "/sdn/zones/localnetwork", role: "FederationNetwork", subject: userid },
    { path: "/pool", role: "FederationPool", subject: userid },
    { path: "/nodes", role: "FederationNode", subject: userid },
    ...(options.remoteMigration ? [{ path: "/", role: "FederationIncoming", subject: userid, propagate: false }] : []),
  ];
}
