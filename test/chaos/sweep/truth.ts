/** What the simulator really holds, in a form that can be compared from run to run. */
import { createHash } from "node:crypto";
import { parseDescription } from "../../../src/migration";
import type { FederationState } from "../../../src/simulator";
import { type DiskChecksum, listChecksums } from "../../../src/simulator/checksums";
import type { GuestState } from "../../../src/simulator/state";

export interface GuestTruth {
  cluster: string;
  vmid: number;
  /** Has the federation's mark. */
  ours: boolean;
  running: boolean;
  /** Configuration without what only says where it is or when it was made. */
  shape: string;
  /** As it is, with node and power. */
  exact: string;
  /** sha256 of the contents by drive; `missing` for a volume that is not there. */
  disks: Record<string, string>;
}

export interface Truth {
  guests: GuestTruth[];
  /** Disks that no configuration names. */
  orphans: string[];
  /** Archives with their protection. */
  archives: string[];
  /** Pools, and for each name the number of guests in all clusters: on which of them they are may differ. */
  pools: string[];
  /** HA, replication, backup jobs, and sync jobs of backup servers. */
  jobs: string[];
  runningTasks: string[];
}

const DRIVE = /^(?:scsi|virtio|ide|sata|unused|efidisk|tpmstate)\d+$/;

export function truthOf(state: FederationState): Truth {
  const disks = listChecksums(state);
  const named = new Set<DiskChecksum>();
  const guests: GuestTruth[] = [];
  for (const [cluster, { guests: all, storages }] of Object.entries(state.clusters)) {
    for (const guest of Object.values(all)) {
      const found: Record<string, string> = {};
      for (const [key, volid] of drivesOf(guest)) {
        const [storage = ""] = volid.split(":");
        const backend = storages[storage]?.backends[guest.node] ?? storages[storage]?.backends["*"];
        const volume = disks.find(
          (disk) => disk.backend === backend && disk.volids.some((id) => id.cluster === cluster && id.volid === volid),
        );
        if (volume) named.add(volume);
        found[key] = volume?.sha256 ?? "missing";
      }
      guests.push({ cluster, vmid: guest.vmid, ...describe(guest), disks: found });
    }
  }
  const images = disks.filter((disk) => disk.vmid !== 0 && disk.drive === undefined);
  return {
    guests,
    orphans: images.filter((disk) => !named.has(disk)).map((disk) => `${disk.backend} ${disk.volname}`),
    archives: Object.values(state.backends).flatMap(({ id, volumes }) =>
      Object.entries(volumes).flatMap(([name, volume]) =>
        volume.archive ? [`${id} ${name}${volume.protected ? " protected" : ""} ${hash(volume.archive)}`] : [],
      ),
    ),
    pools: poolsOf(state),
    jobs: [
      ...Object.entries(state.clusters).map(([id, { ha, replication, backupJobs }]) => ({
        id,
        kinds: [ha.resources, ha.rules, replication, backupJobs],
      })),
      ...backupServersOf(state).map(({ id, syncJobs }) => ({ id, kinds: [syncJobs] })),
    ].flatMap(({ id, kinds }) =>
      kinds.flatMap((kind) => Object.entries(kind).map(([name, value]) => `${id} ${name} ${JSON.stringify(value)}`)),
    ),
    runningTasks: [...Object.values(state.clusters), ...backupServersOf(state)].flatMap(({ tasks }) =>
      Object.values(tasks)
        .filter((task) => task.endMs === undefined)
        .map((task) => `${task.type} ${task.id} on ${task.node}`),
    ),
  };
}

function backupServersOf({ backupServers = {} }: FederationState) {
  return Object.values(backupServers);
}

function poolsOf({ clusters }: FederationState): string[] {
  const pools = Object.entries(clusters).flatMap(([id, each]) => Object.entries(each.pools).map(([name, pool]) => ({ id, name, ...pool })));
  const names = [...new Set(pools.map(({ name }) => name))];
  const sizeOf = (name: string) => pools.reduce((sum, pool) => sum + (pool.name === name ? pool.vms.length : 0), 0);
  return [...pools.map(({ id, name, comment }) => `${id} ${name} "${comment}"`), ...names.map((name) => `${name}: ${sizeOf(name)} guests`)];
}

/** Two states with the same fingerprint have the same future, whatever the times in them. */
export function fingerprint(state: FederationState, engineState: unknown): string {
  const clusters = Object.values(state.clusters).map(({ guests, pools, ha, replication, backupJobs, nodes, down, tasks }) => ({
    guests: Object.values(guests).map(({ startedAtMs: _started, agentReadyAtMs, ...rest }) => ({
      ...rest,
      agent: agentReadyAtMs !== undefined,
    })),
    rest: [pools, ha, replication, backupJobs, Object.values(nodes).map(({ status }) => status), down],
    tasks: Object.values(tasks).map(({ type, id, node, exitStatus }) => [type, id, node, exitStatus]),
  }));
  const servers = backupServersOf(state).map(({ syncJobs, down, tasks }) => [
    syncJobs,
    down,
    Object.values(tasks).map(({ type, id, exitStatus }) => [type, id, exitStatus]),
  ]);
  const backends = Object.values(state.backends).map(({ id, volumes }) => [
    id,
    Object.entries(volumes).map(([name, { createdAtMs: _created, ...rest }]) => [name, rest]),
  ]);
  return hash(timeless(JSON.stringify([clusters, servers, backends, engineState])));
}

/** Without moments, process ids and random ids. */
export function timeless(text: string): string {
  return (
    text
      // A backup server's has one number more.
      .replaceAll(/UPID:([^:]*)(?::[0-9A-F]{8,16}){3,4}:([^:]*):([^:]*):/g, "UPID:$1:$2:$3:")
      .replaceAll(/fed(?:-|\\+x2d)move(?:-|\\+x2d)[0-9a-f]+/g, "MOVE")
      .replaceAll(/\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d/g, "TIME")
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, "TIME")
      .replaceAll(/(?<=[^0-9])1[78]\d{8}(?:\d{3})?(?=[^0-9])/g, "TIME")
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "UUID")
      .replaceAll(/BC:24:11(?::[0-9A-F]{2}){3}/g, "MAC")
      .replaceAll(/(?<=\\*"id\\*":\\*")[0-9a-f]{8,}/g, "ID")
      .replaceAll(/(?<=move )[0-9a-f]{8,}/g, "ID")
  );
}

function drivesOf(guest: GuestState): [string, string][] {
  return Object.entries(guest.config).flatMap(([key, value]): [string, string][] => {
    const [volid = ""] = value.split(",");
    return DRIVE.test(key) && volid.includes(":") && !value.includes("media=cdrom") ? [[key, volid]] : [];
  });
}

function describe(guest: GuestState): Pick<GuestTruth, "ours" | "running" | "shape" | "exact"> {
  const { mark, text } = parseDescription(guest.config.description);
  const config = { ...guest.config };
  delete config.description;
  delete config.meta;
  delete config.digest;
  // How far a guest's history goes back may differ: what it says about itself may not.
  const said = mark && { name: mark.name, kind: mark.kind, stack: mark.stack, phase: mark.phase, moving: mark.move !== undefined };
  const shape = timeless(JSON.stringify({ config: sorted(config), text, said, running: guest.running, pending: guest.pending }))
    .replaceAll(/(?:nvme|ssd):(?:\d+\/)?(?:vm|base)-\d+-[a-z]+-\d+(?:\.\w+)?/g, "fast:VOLUME")
    // Said of a disk that was copied while its guest ran, and what a volume of these storages is anyhow.
    .replaceAll(/(?<=fast:VOLUME),format=raw/g, "")
    .replaceAll(/bridge=vmbr\d+,tag=\d+/g, "bridge=lan");
  const exact = JSON.stringify([guest.node, guest.running, sorted(guest.config), guest.pending, Object.keys(guest.snapshots)]);
  return { ours: mark !== undefined, running: guest.running, shape, exact };
}

function sorted(config: Record<string, string>): [string, string][] {
  return Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
}

function hash(value: unknown): string {
  return createHash("sha256")
    .update(typeof value === "string" ? value : JSON.stringify(value))
    .digest("hex")
    .slice(0, 16);
}
