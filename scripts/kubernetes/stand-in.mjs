/**
 * What would run on real nodes: the Proxmox CSI plugin with its sidecars, and the kubelet. They act on the real API server
 * and the simulated Proxmox clusters as the originals do: attach by volumeHandle, format a disk that holds nothing, mark
 * pods running once their volumes are there, grow attached disks.
 */
import { setTimeout as delay } from "node:timers/promises";

const driver = "csi.proxmox.sinextra.dev";
const finalizer = "external-attacher/csi-proxmox-sinextra-dev";
const pollMs = 150;
const filesystemBlocks = 3;

/**
 * @typedef {object} Worker
 * @property {string} name of the Kubernetes node
 * @property {string} region
 * @property {string} zone
 * @property {number} vmid
 */

export class StandIn {
  /** Volids of disks that were blank when they were staged, in order. */
  formatted = [];
  /** What went wrong in the background. */
  errors = [];
  #workers = new Map();
  #stopped = false;
  #loop;

  /**
   * @param {object} options
   * @param {typeof import("@kubernetes/client-node")} options.library
   * @param {import("@kubernetes/client-node").KubeConfig} options.kubeconfig of an administrator
   * @param {(region: string) => Promise<import("../../src/proxmox").ProxmoxApi>} options.proxmox
   * @param {(region: string) => string} options.clusterOf cluster id of a region
   * @param {{ adminUrl: string }} options.simulator
   */
  constructor({ library, kubeconfig, proxmox, clusterOf, simulator }) {
    this.library = library;
    this.core = kubeconfig.makeApiClient(library.CoreV1Api);
    this.storage = kubeconfig.makeApiClient(library.StorageV1Api);
    this.proxmox = proxmox;
    this.clusterOf = clusterOf;
    this.simulator = simulator;
  }

  start() {
    this.#loop = this.#run();
  }

  async stop() {
    this.#stopped = true;
    await this.#loop;
  }

  /** Joins a node, as kubelet, cloud controller manager and node plugin do. @param {Worker} worker */
  async join(worker) {
    const { name, region, zone, vmid } = worker;
    this.#workers.set(name, worker);
    await this.core.createNode({
      body: {
        metadata: {
          name,
          // The kubelet asks the attach-detach controller to do it.
          annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
          labels: {
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/region": region,
            "topology.kubernetes.io/zone": zone,
          },
        },
        spec: { providerID: `proxmox://${region}/${vmid}` },
      },
    });
    const resources = { cpu: "8", memory: "16Gi", pods: "110" };
    const status = {
      capacity: resources,
      allocatable: resources,
      conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "ready" }],
    };
    await this.core.patchNodeStatus({ name, body: { status } }, this.#merge());
    await this.storage.createCSINode({
      body: {
        metadata: { name },
        spec: {
          drivers: [
            {
              name: driver,
              nodeID: `${name}/${vmid}`,
              topologyKeys: ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"],
              allocatable: { count: 24 },
            },
          ],
        },
      },
    });
  }

  async #run() {
    while (!this.#stopped) {
      for (const step of [() => this.#attachments(), () => this.#pods(), () => this.#claims()]) {
        try {
          await step();
        } catch (error) {
          // An object that changed in between is looked at again in the next round.
          if (error?.code !== 404 && error?.code !== 409) this.errors.push(error);
        }
      }
      await delay(pollMs);
    }
  }

  async #attachments() {
    for (const attachment of (await this.storage.listVolumeAttachment()).items) {
      const { metadata, spec, status } = attachment;
      if (spec.attacher !== driver) continue;
      const ending = metadata.deletionTimestamp !== undefined;
      const held = metadata.finalizers?.includes(finalizer) ?? false;
      if (ending && !held) continue;
      const volume = await this.core.readPersistentVolume({ name: spec.source.persistentVolumeName });
      const place = await this.#place(volume, this.#workers.get(spec.nodeName));
      if (ending) {
        await this.#detach(place);
        await this.storage.patchVolumeAttachment({ name: metadata.name, body: { metadata: { finalizers: [] } } }, this.#merge());
      } else if (!status?.attached) {
        await this.storage.patchVolumeAttachment({ name: metadata.name, body: { metadata: { finalizers: [finalizer] } } }, this.#merge());
        await this.#attach(place);
        await this.storage.patchVolumeAttachmentStatus({ name: metadata.name, body: { status: { attached: true } } }, this.#merge());
      }
    }
  }

  /** Reads a handle as the plugin does: cut at the first three slashes; only the region picks the cluster. */
  async #place(volume, worker) {
    const parts = volume.spec.csi.volumeHandle.split("/");
    if (parts.length < 4) throw new Error(`VolumeID must be in the format of region/zone/storageName/diskName`);
    const [region, zone, storage] = parts;
    const disk = parts.slice(3).join("/");
    const api = await this.proxmox(region);
    const row = (await api.listResources()).find((candidate) => candidate.kind === "guest" && candidate.vmid === worker.vmid);
    if (!row) throw new Error(`no vm ${worker.vmid} in region ${region}`);
    if (zone !== "" && row.node !== zone) throw new Error(`volume ${volume.metadata.name} is in zone ${zone}, its node in ${row.node}`);
    const replicated = volume.spec.csi.volumeAttributes?.replicate === "1";
    return { api, node: row.node, vmid: worker.vmid, volid: `${storage}:${disk}`, region, replicated };
  }

  /** A replicated disk is where its owner is: that comes to the node first. */
  async #bringOwner({ api, node, volid }) {
    const vmid = Number(/vm-(\d+)-/.exec(volid)?.[1]);
    const owner = (await api.listResources()).find((candidate) => candidate.kind === "guest" && candidate.vmid === vmid);
    if (!owner) throw new Error(`failed to find vm by id ${vmid}`);
    if (owner.node !== node) await api.tasks.wait(await api.qemu.migrate(owner.node, vmid, { target: node }));
  }

  async #attach({ api, node, vmid, volid, region, replicated }) {
    if (replicated) await this.#bringOwner({ api, node, volid });
    const { values } = await api.qemu.getConfig(node, vmid);
    if (slotOf(values, volid) !== undefined) return;
    const index = Array.from({ length: 29 }, (_, number) => number + 1).find((number) => values[`scsi${number}`] === undefined);
    const wwn = `0x${Buffer.from(`PVC-ID${String(index).padStart(2, "0")}`).toString("hex")}`;
    await api.qemu.updateConfig(node, vmid, { [`scsi${index}`]: `${volid},backup=0,iothread=1,wwn=${wwn}` });
    await this.#stage({ region, vmid, slot: `scsi${index}`, volid, node });
  }

  /** A disk without a filesystem gets one: whatever should have been on it is gone for good then. */
  async #stage({ region, vmid, slot, volid, node }) {
    const cluster = this.clusterOf(region);
    const disks = await this.#admin("GET", "/checksums");
    const disk = disks.find(
      ({ backend, volids }) =>
        volids.some((place) => place.cluster === cluster && place.volid === volid) &&
        (backend.endsWith(`@${node}`) || !backend.includes("@")),
    );
    if (disk === undefined) throw new Error(`no disk ${volid} on ${cluster}`);
    if (disk.blockCount > 0) return;
    this.formatted.push(volid);
    await this.#admin("POST", `/guests/${cluster}/${vmid}/write`, { disk: slot, blocks: filesystemBlocks, seed: `filesystem ${volid}` });
  }

  async #detach({ api, node, vmid, volid }) {
    const { values } = await api.qemu.getConfig(node, vmid);
    const slot = slotOf(values, volid);
    if (slot !== undefined) await api.qemu.updateConfig(node, vmid, { delete: slot });
  }

  async #pods() {
    const attachments = (await this.storage.listVolumeAttachment()).items;
    for (const pod of (await this.core.listPodForAllNamespaces()).items) {
      const { namespace, name, deletionTimestamp } = pod.metadata;
      const node = pod.spec.nodeName;
      if (deletionTimestamp !== undefined) await this.core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 });
      else if (node !== undefined && pod.status.phase === "Pending" && (await this.#hasVolumes(pod, attachments)))
        await this.core.patchNamespacedPodStatus(
          {
            namespace,
            name,
            body: { status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } },
          },
          this.#merge(),
        );
    }
  }

  async #hasVolumes(pod, attachments) {
    const { namespace } = pod.metadata;
    for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
      if (!persistentVolumeClaim) continue;
      const claim = await this.core.readNamespacedPersistentVolumeClaim({ namespace, name: persistentVolumeClaim.claimName });
      const attached = attachments.some(
        ({ spec, status }) =>
          spec.nodeName === pod.spec.nodeName && spec.source.persistentVolumeName === claim.spec.volumeName && status?.attached,
      );
      if (!attached) return false;
    }
    return true;
  }

  /** The resizer: only what is attached can grow. */
  async #claims() {
    for (const claim of (await this.core.listPersistentVolumeClaimForAllNamespaces()).items) {
      const name = claim.spec.volumeName;
      const wanted = claim.spec.resources?.requests?.storage;
      if (!name || claim.status?.phase !== "Bound" || wanted === claim.status.capacity?.storage) continue;
      const attachment = (await this.storage.listVolumeAttachment()).items.find(
        ({ spec, status }) => spec.source.persistentVolumeName === name && status?.attached,
      );
      if (!attachment) continue;
      const volume = await this.core.readPersistentVolume({ name });
      const { api, node, vmid, volid } = await this.#place(volume, this.#workers.get(attachment.spec.nodeName));
      const { values } = await api.qemu.getConfig(node, vmid);
      const sizeBytes = bytesOf(wanted);
      const upid = await api.qemu.resizeDisk(node, vmid, slotOf(values, volid), sizeBytes);
      if (upid) await api.tasks.wait(upid);
      const storage = { storage: wanted };
      await this.core.patchPersistentVolume({ name, body: { spec: { capacity: storage } } }, this.#merge());
      const { namespace } = claim.metadata;
      await this.core.patchNamespacedPersistentVolumeClaimStatus(
        { namespace, name: claim.metadata.name, body: { status: { capacity: storage } } },
        this.#merge(),
      );
    }
  }

  async #admin(method, path, body) {
    const reply = await fetch(this.simulator.adminUrl + path, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  }

  #merge() {
    return this.library.setHeaderOptions("Content-Type", this.library.PatchStrategy.MergePatch);
  }
}

function slotOf(values, volid) {
  return Object.keys(values).find((key) => /^scsi\d+$/.test(key) && values[key].split(",")[0] === volid);
}

function bytesOf(quantity) {
  const match = /^(\d+)(Ki|Mi|Gi|Ti)?$/.exec(quantity);
  if (!match) throw new Error(`the stand-in does not read the quantity ${quantity}`);
  return Number(match[1]) * 1024 ** ["", "Ki", "Mi", "Gi", "Ti"].indexOf(match[2] ?? "");
}
