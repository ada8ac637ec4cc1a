/** What would make a move fail later, found before it starts. Collects every finding. */
import type { GuestConfig, GuestRow, Permissions } from "../proxmox";
import { describeNeed, missingPrivileges, sourceNeeds, targetNeeds } from "./permissions";
import { type Route, storeOf } from "./route";

export interface PreflightFacts {
  guest: GuestRow;
  config: GuestConfig;
  sourcePermissions: Permissions;
  targetPermissions: Permissions;
  pool?: string;
  targetStorages: string[];
  targetBridges: string[];
  /** Storages the target node sees. */
  targetNodeStorages: string[];
  /** Free bytes of the store's write storage on the source; absent when unknown. */
  storeFreeBytes?: number;
  /** Lower bound of what the archive takes. */
  leastArchiveBytes: number;
  /** Volids among the guest's drives that other guests of ours own: their own resources move them. */
  attachedVolids: ReadonlySet<string>;
}

const DRIVE_KEY = /^(?:ide|sata|scsi|virtio|efidisk|tpmstate)\d+$/;

/** Every reason why the move cannot work, in words with what to do; empty = go. */
export function preflight(route: Route, facts: PreflightFacts): string[] {
  return [...guestFindings(facts), ...driveFindings(facts), ...privilegeFindings(route, facts), ...storeFindings(route, facts)];
}

function guestFindings({ guest, config }: PreflightFacts): string[] {
  const findings: string[] = [];
  const { values } = config;
  if (values.lock !== undefined && values.lock !== "backup")
    findings.push(
      `it is locked (${values.lock}): wait for the task that holds the lock, or have an administrator run "qm unlock ${guest.vmid}"`,
    );
  if (values.parent !== undefined) findings.push(`it has snapshots (${values.parent}), which a backup does not carry: delete them`);
  if (guest.haState !== undefined) findings.push("it is managed by HA, which would restart it during the move: remove it from HA");
  for (const key of Object.keys(values)) {
    if (/^(?:hostpci|usb)\d+$/.test(key)) findings.push(`it uses a device of its host (${key}): remove it`);
    if (/^unused\d+$/.test(key)) findings.push(`${key} (${values[key]}) would be left out of the backup: attach or delete it`);
  }
  return findings;
}

function driveFindings({ config, attachedVolids }: PreflightFacts): string[] {
  const findings: string[] = [];
  for (const [key, value] of Object.entries(config.values)) {
    if (!DRIVE_KEY.test(key)) continue;
    const volid = value.split(",")[0]!;
    const backedUp = !/(?:^|,)backup=0(?:,|$)/.test(value);
    const media = /(?:^|,)media=cdrom(?:,|$)/.test(value);
    if (media && /:iso\//.test(volid))
      findings.push(`${key} (${volid}) is an inserted image, which the other cluster need not have: eject it`);
    else if (attachedVolids.has(volid)) {
      // Its own resource moves it; carried along as well it would be there twice (live finding 22).
      if (backedUp) findings.push(`${key} (${volid}) is another guest's disk and would be copied along: set backup=0 on it`);
    } else if (!backedUp) findings.push(`${key} (${volid}) has backup=0 and would be left behind: set backup=1 or remove the disk`);
  }
  return findings;
}

function privilegeFindings(route: Route, facts: PreflightFacts): string[] {
  const { guest } = facts;
  const store = storeOf(route);
  const missingAtSource = missingPrivileges(
    facts.sourcePermissions,
    sourceNeeds({ vmid: guest.vmid, pool: guest.pool, storage: store.writeStorage }),
  );
  const missingAtTarget = missingPrivileges(
    facts.targetPermissions,
    targetNeeds({
      vmid: guest.vmid,
      pool: facts.pool,
      readStorage: store.readStorage,
      storages: facts.targetStorages,
      bridges: facts.targetBridges,
    }),
  );
  return [
    ...missingAtSource.map((need) => `the token of ${route.source} lacks ${describeNeed(need)}`),
    ...missingAtTarget.map((need) => `the token of ${route.target} lacks ${describeNeed(need)}`),
  ];
}

function storeFindings(route: Route, facts: PreflightFacts): string[] {
  const store = storeOf(route);
  const findings: string[] = [];
  if (!facts.targetNodeStorages.includes(store.readStorage))
    findings.push(`storage ${store.readStorage} of backup store ${store.name} is not available on the target node in ${route.target}`);
  if (facts.storeFreeBytes !== undefined && facts.storeFreeBytes < facts.leastArchiveBytes)
    findings.push(
      `backup store ${store.name} has ${facts.storeFreeBytes} bytes free, at least ${facts.leastArchiveBytes} are needed: free space there`,
    );
  return findings;
}
