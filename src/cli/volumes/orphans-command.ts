/** `federate volumes orphans`: looks at every cluster and at Kubernetes. Changes nothing. */
import { type Cluster, roundedSize } from "../../config";
import { hasPrivilege, isIdentityTag, readMarkedGuest } from "../../migration";
import { type CallOptions, type GuestRow, inParallel, type ProxmoxApi, type StorageRow } from "../../proxmox";
import { askClusters, exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, type Paint, painterFor } from "../io";
import { writeResult } from "../output";
import { readVisibleRows } from "../snapshot";
import { withClients } from "../with-clients";
import { table } from "../words";
import {
  type ClusterDisks,
  findOrphanedDisks,
  findOrphanedVolumes,
  type ListedDisk,
  type OrphanedDisk,
  type OrphanedVolume,
} from "./orphans";
import { type ConnectionOptions, connect, listCsiVolumes } from "./volumes";

export interface OrphansOptions extends ConnectionOptions {
  format: Format;
}

/** Of a file without the plugin's settings. */
const DEFAULT_CONTROLLER_VMID = 9999;

interface Seen extends ClusterDisks {
  hidden: string[];
}

export async function listOrphans(file: string, options: OrphansOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const kubernetes = await connect(options);
  return withClients(file, io, async (clients) => {
    // Disks first: a volume that is made meanwhile has its disk before its PersistentVolume.
    const asked = await askClusters(federation.clusters, clients, readDisks);
    const volumes = await listCsiVolumes(kubernetes);
    const clusters = asked.flatMap((answer) => (answer.ok ? [answer.value] : []));
    const disks = findOrphanedDisks(volumes, clusters, federation.csi?.controllerVmid ?? DEFAULT_CONTROLLER_VMID);
    const gone = findOrphanedVolumes(volumes, clusters);
    const notes = asked.flatMap((answer) =>
      answer.ok
        ? answer.value.hidden.map((storage) => `${storage} of ${answer.cluster.id} could not be listed`)
        : [`${answer.cluster.id} is left out: ${answer.reason}`],
    );
    const report = { kubernetes: kubernetes.description, disks, volumes: gone, notes };
    writeResult(io.stdout, options.format, report, () => orphansText(report, painterFor(io.stdout)));
    return worstOf([disks.length + gone.length > 0 ? EXIT.finding : EXIT.ok, ...exitCodesOf(asked)]);
  });
}

async function readDisks(api: ProxmoxApi, cluster: Cluster, options: CallOptions): Promise<Seen> {
  const [permissions, { guests, storages }] = await Promise.all([api.getPermissions(options), readVisibleRows(api, options)]);
  const owners = await readOwners(api, guests);
  const listed = new Set<string>();
  const hidden = new Set<string>();
  const disks: ListedDisk[] = [];
  for (const { storage, node, shared, status } of storages.filter(holdsImages)) {
    const place = shared ? storage : `${node}/${storage}`;
    if (listed.has(place)) continue;
    // Without it Proxmox answers with an empty list.
    if (status !== "available" || !hasPrivilege(permissions, `/storage/${storage}`, "Datastore.Audit")) {
      hidden.add(place);
      continue;
    }
    for (const { volid, sizeBytes } of await api.storage.listContent(node, storage, { content: "images" }, options))
      disks.push({ volid, ...(shared ? {} : { node }), sizeBytes });
    listed.add(place);
  }
  return { cluster: cluster.id, region: cluster.region, disks, listed, owners, hidden: [...hidden].filter((place) => !listed.has(place)) };
}

function holdsImages({ content }: StorageRow): boolean {
  return content.includes("images");
}

/** While a volume moves, two guests have its disk, and only one of them a PersistentVolume. */
async function readOwners(api: ProxmoxApi, guests: readonly GuestRow[]): Promise<Set<number>> {
  const ours = guests.filter((row) => row.tags.some(isIdentityTag));
  const owners = await inParallel(ours, async ({ node, vmid }) => {
    const mark = (await readMarkedGuest({ api, node, vmid }))?.mark;
    return mark?.kind === "disk" && mark.name.startsWith("pv/") && mark.phase === "settled" ? [vmid] : [];
  });
  return new Set(owners.flat());
}

interface Orphans {
  kubernetes: string;
  disks: OrphanedDisk[];
  volumes: OrphanedVolume[];
  notes: string[];
}

function orphansText({ kubernetes, disks, volumes, notes }: Orphans, paint: Paint): string {
  const lines = notes.map((note) => `${paint("yellow", "note:")} ${note}`);
  if (disks.length + volumes.length === 0) return [...lines, `no orphans; Kubernetes: ${kubernetes}`].join("\n");
  if (disks.length > 0)
    lines.push(
      `Disks that no PersistentVolume of this Kubernetes cluster names (${kubernetes}); another one may:`,
      ...table(
        disks.map(({ cluster, node, volid, sizeBytes, madeBy }) => [
          `  ${node === undefined ? cluster : `${cluster}/${node}`}`,
          volid,
          roundedSize(sizeBytes),
          madeBy === "plugin" ? "made by the CSI plugin" : "made by a Pulumi program",
        ]),
      ),
    );
  if (volumes.length > 0)
    lines.push(
      "PersistentVolumes whose disk is not there:",
      ...table(volumes.map(({ volume, volumeHandle, cluster }) => [`  ${volume}`, volumeHandle, `on ${cluster}`])),
    );
  return lines.join("\n");
}
