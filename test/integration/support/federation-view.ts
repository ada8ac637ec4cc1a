/** What is in a simulated federation, read from its state: guests with their marks, data, and what ought not to be there. */
import { type Mark, MOVING_TAG, parseDescription } from "../../../src/migration";
import type { SimulatorWorld } from "../../../src/simulator";
import { listChecksums } from "../../../src/simulator/checksums";

export interface GuestView {
  cluster: string;
  vmid: number;
  node: string;
  name: string;
  running: boolean;
  config: Record<string, string>;
  mark?: Mark;
}

export function listGuests(world: SimulatorWorld): GuestView[] {
  return Object.values(world.state.clusters).flatMap((cluster) =>
    Object.values(cluster.guests).map(({ vmid, node, running, config }) => {
      const { mark } = parseDescription(config.description);
      return { cluster: cluster.id, vmid, node, name: config.name ?? "", running, config, ...(mark ? { mark } : {}) };
    }),
  );
}

/** Guest that runs, or owns a disk, under that name. */
export function getGuest(world: SimulatorWorld, name: string): GuestView {
  const found = listGuests(world).filter((guest) => guest.name === name);
  if (found.length !== 1) throw new Error(`${found.length} guests are named ${name}`);
  return found[0]!;
}

/** Names and clusters, sorted: `db-1@databarn-dr`. */
export function listAddresses(world: SimulatorWorld): string[] {
  return listGuests(world)
    .map(({ name, cluster }) => `${name}@${cluster}`)
    .sort();
}

/** sha256 of the contents of each guest's disks, by `name/drive`. */
export function checksumsByDrive(world: SimulatorWorld): Record<string, string> {
  const byVolid = new Map(
    listChecksums(world.state)
      .filter(({ drive }) => drive === undefined)
      .flatMap(({ volids, sha256 }) => volids.map(({ cluster, volid }) => [`${cluster} ${volid}`, sha256] as const)),
  );
  const entries = listGuests(world).flatMap(({ name, cluster, config }) =>
    drivesOf(config).flatMap(([drive, volid]) => {
      const sha256 = byVolid.get(`${cluster} ${volid}`);
      return sha256 === undefined ? [] : [[`${name}/${drive}`, sha256] as const];
    }),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function drivesOf(config: Record<string, string>): [drive: string, volid: string][] {
  return Object.entries(config)
    .filter(([key]) => /^(?:scsi|virtio|sata|ide|unused)\d+$/.test(key))
    .map(([key, line]) => [key, line.split(",")[0] ?? ""]);
}

/** Everything that a finished and cleaned-up operation does not leave behind, in words. */
export function findLeftovers(world: SimulatorWorld): string[] {
  return [...leftInGuests(world), ...leftInStorages(world), ...leftInTasks(world)];
}

function leftInGuests(world: SimulatorWorld): string[] {
  const guests = listGuests(world);
  const names = guests.map(({ name }) => name);
  return guests.flatMap((guest) => {
    const { config, mark } = guest;
    const isOwner = mark?.kind === "disk";
    const findings = [
      names.filter((name) => name === guest.name).length > 1 && "is there more than once",
      mark === undefined && "carries no mark",
      mark !== undefined && mark.phase !== "settled" && `is ${mark.phase}`,
      mark?.move !== undefined && `has the journal of a move at step ${mark.move.step}`,
      (config.tags ?? "").split(";").includes(MOVING_TAG) && `is tagged ${MOVING_TAG}`,
      config.lock !== undefined && `is locked (${config.lock})`,
      // A disk's owner is fenced and protected for good, a VM is neither.
      (config.template === "1") !== isOwner && (isOwner ? "is not fenced" : "is fenced"),
      (config.protection === "1") !== isOwner && (isOwner ? "is not protected" : "is protected"),
      guest.running === isOwner && (isOwner ? "runs" : "does not run"),
      drivesOf(config).some(([drive]) => drive.startsWith("unused")) && "has an unused disk",
    ];
    return findings.flatMap((finding) => (finding ? [`vm ${guest.vmid} (${guest.name}) on ${guest.cluster} ${finding}`] : []));
  });
}

/** Archives, volumes still protected, and disks that no configuration names. */
function leftInStorages(world: SimulatorWorld): string[] {
  const named = new Set(listGuests(world).flatMap(({ cluster, config }) => drivesOf(config).map(([, volid]) => `${cluster} ${volid}`)));
  const orphans = listChecksums(world.state)
    .filter(
      ({ vmid, drive, volids }) =>
        vmid !== 0 && drive === undefined && !volids.some(({ cluster, volid }) => named.has(`${cluster} ${volid}`)),
    )
    .map(({ backend, volname }) => `disk ${volname} on ${backend} belongs to no guest`);
  const volumes = Object.values(world.state.backends).flatMap(({ id, volumes }) =>
    Object.values(volumes).flatMap(({ volname, content, protected: isProtected }) => [
      ...(content === "backup" ? [`archive ${volname} is on ${id}`] : []),
      ...(isProtected ? [`volume ${volname} on ${id} is protected`] : []),
    ]),
  );
  return [...orphans, ...volumes];
}

function leftInTasks(world: SimulatorWorld): string[] {
  return Object.keys(world.state.clusters).flatMap((cluster) =>
    world.tasks.listRunning(cluster).map((upid) => `task ${upid} runs on ${cluster}`),
  );
}

/** Pools of the federation's resources on any cluster. */
export function listPools(world: SimulatorWorld): string[] {
  return Object.values(world.state.clusters).flatMap(({ id, pools }) => Object.keys(pools).map((pool) => `${pool}@${id}`));
}
