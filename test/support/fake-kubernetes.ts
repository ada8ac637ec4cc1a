/**
 * A Kubernetes cluster in memory, behind the interface of the real client: binding, protection of what is in use, and one
 * workload whose pod mounts one claim. Its calls are points of the same fake world as those of the Proxmox clusters, so
 * that a fault can hit any of them. A node is called like the Proxmox node its worker runs on.
 */
import {
  type KubernetesApi,
  KubernetesError,
  type KubernetesNode,
  type MergePatch,
  type ObjectName,
  type PersistentVolume,
  type PersistentVolumeClaim,
  parseVolumeHandle,
  volidOfHandle,
  type Workload,
  zonesOf,
} from "../../src/kubernetes";
import type { FakeCluster } from "./fake-cluster";
import { ProcessKilled } from "./fake-errors";
import type { FakeWorld } from "./fake-world";

interface Mount {
  volume: string;
  node: string;
  cluster: FakeCluster;
  vmid: number;
  volid: string;
}

export const WORKLOAD: Workload = { kind: "StatefulSet", namespace: "default", name: "db" };
export const CLAIM: ObjectName = { namespace: "default", name: "data" };
const WORKER_SLOT = "scsi1";

export class FakeKubernetes implements KubernetesApi {
  readonly description = "context fake";
  readonly volumes = new Map<string, PersistentVolume>();
  claim: PersistentVolumeClaim | undefined;
  /** Of the workload; undefined: there is none. */
  replicas: number | undefined;
  /** Of workloads that have no pods here, by name. */
  readonly otherReplicas = new Map<string, number>();
  /** What the workload does with its claims when it is scaled down. */
  whenScaled: string | undefined;
  /** A pod that is not the workload's holds the claim. */
  claimHeld = false;
  /** Attachments that nobody can undo: their node is gone. */
  readonly stale: { volume: string; node: string }[] = [];
  nodes: KubernetesNode[] = [];
  /** Where the pod runs, of the nodes that reach its volume; default: the first of them. */
  chosenNode: string | undefined;
  /** Volids that were blank when a pod mounted them. */
  readonly formatted: string[] = [];
  private mount: Mount | undefined;
  private counter = 1;

  /** @param clusters by region; each has a running worker with vmid `900 + index` on every node */
  constructor(
    private readonly world: FakeWorld,
    private readonly clusters: ReadonlyMap<string, FakeCluster>,
  ) {
    for (const cluster of clusters.values())
      for (const [index, node] of [`${cluster.clusterId}1`, `${cluster.clusterId}2`].entries()) {
        cluster.addGuest({ vmid: 900 + index, node, power: "running", config: { name: `worker-${node}`, memory: "1024" } });
        const labels = { "topology.kubernetes.io/region": cluster.clusterId, "topology.kubernetes.io/zone": node };
        this.nodes.push({ metadata: { name: `worker-${node}`, labels }, status: { conditions: [{ type: "Ready", status: "True" }] } });
      }
    world.addLaw(() => this.brokenLaws());
  }

  /** The node whose worker has the workload's pod. */
  get podNode(): string | undefined {
    return this.mount?.node;
  }

  /** The pod writes to its volume. */
  write(text: string): void {
    if (!this.mount) throw new Error("no pod runs");
    this.mount.cluster.volumes.get(this.mount.volid)!.writes.push(text);
  }

  setReplicas(replicas: number | undefined): void {
    this.replicas = replicas;
    this.reconcile();
  }

  private brokenLaws(): string[] {
    const broken: string[] = [];
    if (this.formatted.length > 1) broken.push(`a blank disk was mounted in place of the data: ${this.formatted.join(", ")}`);
    if (this.mount && !this.mount.cluster.volumes.has(this.mount.volid)) broken.push(`${this.mount.volid} was destroyed under a pod`);
    return broken;
  }

  // --- what the controllers do ---------------------------------------------------------------------------------------

  private reconcile(): void {
    this.unmountUnwanted();
    this.collect();
    this.bind();
    this.mountWanted();
  }

  private unmountUnwanted(): void {
    if (!this.mount || (this.replicas ?? 0) > 0) return;
    delete this.mount.cluster.guests.get(this.mount.vmid)?.config[WORKER_SLOT];
    this.mount = undefined;
  }

  private collect(): void {
    if (this.claim?.metadata?.deletionTimestamp && !this.mount && !this.claimHeld) {
      this.reclaim(this.volumes.get(this.claim.spec?.volumeName ?? ""));
      this.claim = undefined;
    }
    for (const [name, volume] of this.volumes)
      if (volume.metadata?.deletionTimestamp && this.claim?.spec?.volumeName !== name && !this.stale.some((held) => held.volume === name))
        this.volumes.delete(name);
  }

  /** What the plugin does with the disk of a volume that it has made. */
  private reclaim(volume: PersistentVolume | undefined): void {
    const made = volume?.metadata?.annotations?.["pv.kubernetes.io/provisioned-by"] !== undefined;
    if (!volume || !made || volume.spec?.persistentVolumeReclaimPolicy !== "Delete") return;
    const handle = parseVolumeHandle(volume.spec.csi?.volumeHandle ?? "");
    this.clusters.get(handle.region)?.volumes.delete(volidOfHandle(handle));
  }

  private bind(): void {
    const { claim } = this;
    const volume = claim && this.volumes.get(claim.spec?.volumeName ?? "");
    const reference = volume?.spec?.claimRef;
    if (!claim || !volume || !reference) return;
    const isIts = reference.namespace === claim.metadata?.namespace && reference.name === claim.metadata?.name;
    if (!isIts || (reference.uid !== undefined && reference.uid !== claim.metadata?.uid)) return;
    reference.uid = claim.metadata?.uid;
    claim.status = { phase: "Bound", capacity: volume.spec?.capacity };
    volume.status = { phase: "Bound" };
  }

  private mountWanted(): void {
    if (this.mount || (this.replicas ?? 0) === 0 || this.claim?.status?.phase !== "Bound" || this.claim.metadata?.deletionTimestamp) return;
    const name = this.claim.spec?.volumeName ?? "";
    const handle = parseVolumeHandle(this.volumes.get(name)?.spec?.csi?.volumeHandle ?? "");
    const cluster = this.clusters.get(handle.region);
    const zones = zonesOf(this.volumes.get(name) ?? {});
    const workers = [...(cluster?.guests.values() ?? [])].filter((guest) => guest.vmid >= 900 && (zones?.includes(guest.node) ?? true));
    const worker = workers.find((guest) => this.chosenNode === undefined || guest.node === this.chosenNode);
    if (!cluster || !worker) return;
    const volid = volidOfHandle(handle);
    const disk = cluster.volumes.get(volid);
    if (!disk) return;
    // The plugin first takes the owner of a replicated disk to the node of the pod.
    const owner = cluster.guests.get(disk.vmid);
    if (owner && this.volumes.get(name)?.spec?.csi?.volumeAttributes?.replicate === "1") cluster.bringToNode(owner, worker.node);
    // Local to its node, and elsewhere only by replication.
    if (owner && zones && owner.node !== worker.node) throw new Error(`${volid} is not on ${worker.node}, where its pod runs`);
    worker.config[WORKER_SLOT] = `${volid},backup=0`;
    this.mount = { volume: name, node: worker.node, cluster, vmid: worker.vmid, volid };
    if (disk.writes.length > 0) return;
    this.formatted.push(volid);
    disk.writes.push("filesystem");
  }

  // --- calls ---------------------------------------------------------------------------------------------------------

  findVolume(name: string) {
    return this.call("findVolume", false, () => this.volumes.get(name));
  }

  listVolumes(selector?: string) {
    const [key = "", value] = (selector ?? "").split("=");
    return this.call("listVolumes", false, () =>
      [...this.volumes.values()].filter((volume) => value === undefined || volume.metadata?.labels?.[key] === value),
    );
  }

  createVolume(volume: PersistentVolume) {
    return this.call("createVolume", true, () => {
      const name = volume.metadata?.name ?? "";
      if (this.volumes.has(name)) throw new KubernetesError("ALREADY_EXISTS", `${name} already exists`);
      this.volumes.set(name, this.withUid(volume));
      return this.volumes.get(name)!;
    });
  }

  patchVolume(name: string, patch: MergePatch) {
    return this.call("patchVolume", true, () => {
      const volume = this.volumes.get(name);
      if (!volume) throw new KubernetesError("NOT_FOUND", `${name} not found`);
      this.volumes.set(name, merge(volume, patch) as PersistentVolume);
      return this.volumes.get(name)!;
    });
  }

  deleteVolume({ metadata }: PersistentVolume) {
    return this.call("deleteVolume", true, () => {
      const volume = this.volumes.get(metadata?.name ?? "");
      if (volume?.metadata?.uid === metadata?.uid && volume?.metadata) volume.metadata.deletionTimestamp = new Date(this.world.nowMs);
    });
  }

  findClaim(name: ObjectName) {
    return this.call("findClaim", false, () => (this.isClaim(name) ? this.claim : undefined));
  }

  listClaims() {
    return this.call("listClaims", false, () => (this.claim ? [this.claim] : []));
  }

  createClaim(claim: PersistentVolumeClaim) {
    return this.call("createClaim", true, () => {
      if (this.claim) throw new KubernetesError("ALREADY_EXISTS", "the claim already exists");
      this.claim = this.withUid({ ...claim, status: { phase: "Pending" } });
      return this.claim;
    });
  }

  patchClaim(name: ObjectName, patch: MergePatch) {
    return this.call("patchClaim", true, () => {
      if (!this.isClaim(name) || !this.claim) throw new KubernetesError("NOT_FOUND", "the claim is not found");
      this.claim = merge(this.claim, patch) as PersistentVolumeClaim;
      return this.claim;
    });
  }

  deleteClaim({ metadata }: PersistentVolumeClaim) {
    return this.call("deleteClaim", true, () => {
      if (this.claim?.metadata?.uid === metadata?.uid && this.claim?.metadata)
        this.claim.metadata.deletionTimestamp = new Date(this.world.nowMs);
    });
  }

  listPods() {
    const labels = { namespace: WORKLOAD.namespace, name: `${WORKLOAD.name}-0` };
    const owner = { apiVersion: "apps/v1", kind: WORKLOAD.kind, name: WORKLOAD.name, uid: "set" };
    return this.call("listPods", false, () =>
      (this.replicas ?? 0) === 0
        ? []
        : [
            {
              metadata: { ...labels, ownerReferences: [owner] },
              spec: { containers: [], volumes: [{ name: "data", persistentVolumeClaim: { claimName: CLAIM.name } }] },
              status: { phase: this.mount ? "Running" : "Pending" },
            },
          ],
    );
  }

  listNodes() {
    return this.call("listNodes", false, () => this.nodes);
  }

  listVolumeAttachments() {
    return this.call("listVolumeAttachments", false, () =>
      [...(this.mount ? [this.mount] : []), ...this.stale].map(({ node, volume }, index) => ({
        metadata: { name: `csi-${index + 1}` },
        spec: { attacher: "csi.proxmox.sinextra.dev", nodeName: node, source: { persistentVolumeName: volume } },
      })),
    );
  }

  listStatefulSets() {
    const policy = { whenDeleted: "Retain", whenScaled: this.whenScaled };
    const spec = { selector: {}, template: {}, serviceName: WORKLOAD.name, persistentVolumeClaimRetentionPolicy: policy };
    return this.call("listStatefulSets", false, () => [{ metadata: { ...WORKLOAD }, spec }]);
  }

  findStorageClass(name: string) {
    return this.call("findStorageClass", false, () => ({ metadata: { name }, provisioner: "none", allowVolumeExpansion: false }));
  }

  findReplicas({ name }: Workload) {
    return this.call("findReplicas", false, () => (name === WORKLOAD.name ? this.replicas : this.otherReplicas.get(name)));
  }

  scale({ name }: Workload, replicas: number) {
    return this.call("scale", true, () => {
      if (name !== WORKLOAD.name) this.otherReplicas.set(name, replicas);
      else if (this.replicas === undefined) throw new KubernetesError("NOT_FOUND", "the workload is not found");
      else this.replicas = replicas;
    });
  }

  private isClaim({ namespace, name }: ObjectName): boolean {
    return namespace === CLAIM.namespace && name === CLAIM.name;
  }

  private withUid<T extends PersistentVolume | PersistentVolumeClaim>(object: T): T {
    return { ...structuredClone(object), metadata: { ...structuredClone(object.metadata), uid: String(this.counter++) } };
  }

  private async call<T>(name: string, write: boolean, effect: () => T): Promise<T> {
    const context = { cluster: "kubernetes", method: "GET" as const, path: `/${name}` };
    try {
      return structuredClone(
        await this.world.call({ cluster: "kubernetes", name: `kubernetes.${name}`, write }, context, () => {
          const result = effect();
          this.reconcile();
          return result;
        }),
      );
    } catch (error) {
      if (error instanceof KubernetesError || error instanceof ProcessKilled) throw error;
      throw new KubernetesError("UNREACHABLE", error instanceof Error ? error.message : String(error));
    }
  }
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return structuredClone(patch);
  const result: Record<string, unknown> = typeof target === "object" && target !== null ? { ...target } : {};
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  return result;
}
