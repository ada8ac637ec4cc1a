/** The example's two simulated regions under a real Kubernetes control plane, with workers that are guests of them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as library from "@kubernetes/client-node";
import { type ControlPlane, startControlPlane } from "../../../scripts/kubernetes/control-plane.mjs";
import { StandIn } from "../../../scripts/kubernetes/stand-in.mjs";
import { findKubernetes } from "../../../scripts/setup/index.mjs";
import { parseFederation } from "../../../src/config";
import { createClusterClients } from "../../../src/inventory";
import type { ProxmoxApi } from "../../../src/proxmox";
import { type PropertyMap, secret } from "../../support/property-values";
import type { DesiredResource } from "../../support/replay-model";
import { type SimulatedFederation, startSimulatedFederation } from "../../support/simulated-federation";

const REPOSITORY = join(__dirname, "../../..");

export interface Worker {
  name: string;
  region: string;
  zone: string;
  vmid: number;
}

/** The seed's picture: two workers in the first zone, one in the second, and one in another region. */
export const WORKERS: Worker[] = [
  { name: "worker-1", region: "eu-ams", zone: "ams-1", vmid: 1001 },
  { name: "worker-2", region: "eu-ams", zone: "ams-1", vmid: 1002 },
  { name: "worker-3", region: "eu-ams", zone: "ams-2", vmid: 1003 },
  { name: "worker-4", region: "eu-fra", zone: "fra-1", vmid: 2001 },
];

export interface Checksum {
  backend: string;
  volname: string;
  vmid: number;
  sha256: string;
  blockCount: number;
  drive?: string;
}

export class KubernetesSite {
  private constructor(
    readonly federation: SimulatedFederation,
    readonly controlPlane: ControlPlane,
    readonly kubeconfig: library.KubeConfig,
    readonly standIn: StandIn,
    readonly proxmox: (region: string) => Promise<ProxmoxApi>,
    private readonly closeClients: () => Promise<void>,
    /** Of the account the provider uses; it has the documented rights and no more. */
    readonly token: string,
  ) {}

  /** @param change of the example's federation.yaml */
  static async start(change: (text: string) => string = (text) => text): Promise<KubernetesSite> {
    const kubernetes = findKubernetes(REPOSITORY);
    if (!kubernetes) throw new Error('The Kubernetes control plane is not built. Run "npm run test:kubernetes", which builds it first.');
    const text = change(await readFile(join(REPOSITORY, "examples/zoned-storage/federation.yaml"), "utf8"));
    const federation = await startSimulatedFederation({ text });
    const controlPlane = await startControlPlane(kubernetes);
    const kubeconfig = new library.KubeConfig();
    kubeconfig.loadFromFile(controlPlane.kubeconfig);
    const { federation: parsed } = parseFederation(await readFile(federation.file, "utf8"), federation.file);
    const clients = createClusterClients({
      environment: federation.env,
      readFile: (name) => readFile(name, "utf8"),
      baseDir: federation.directory,
    });
    const clusterOf = (region: string) => parsed.clusters.find((cluster) => cluster.region === region)!;
    const proxmox = (region: string) => clients.get(clusterOf(region));
    const standIn = new StandIn({
      library,
      kubeconfig,
      proxmox,
      clusterOf: (region: string) => clusterOf(region).id,
      simulator: federation.simulator,
    });
    const token = await createAccount(kubeconfig, "proxmox-federation", PROVIDER_RULES);
    const site = new KubernetesSite(federation, controlPlane, kubeconfig, standIn, proxmox, () => clients.close(), token);
    for (const worker of WORKERS) await site.addWorker(worker);
    standIn.start();
    return site;
  }

  get core(): library.CoreV1Api {
    return this.kubeconfig.makeApiClient(library.CoreV1Api);
  }

  get apps(): library.AppsV1Api {
    return this.kubeconfig.makeApiClient(library.AppsV1Api);
  }

  get storage(): library.StorageV1Api {
    return this.kubeconfig.makeApiClient(library.StorageV1Api);
  }

  private async addWorker(worker: Worker): Promise<void> {
    const api = await this.proxmox(worker.region);
    const { name, zone, vmid } = worker;
    await api.tasks.wait(await api.qemu.create(zone, { vmid, name, memory: 1024, scsihw: "virtio-scsi-single" }));
    await api.tasks.wait(await api.qemu.start(zone, vmid));
    await this.standIn.join(worker);
  }

  /** Written disks, archives and images left out. */
  async disks(): Promise<Checksum[]> {
    const all = await this.federation.admin<Checksum[]>("GET", "/checksums");
    return all.filter((disk) => disk.vmid !== 0 && disk.drive === undefined);
  }

  async stop(): Promise<void> {
    await this.standIn.stop();
    await this.controlPlane.stop();
    await this.closeClients();
    await this.federation.stop();
  }

  /** A volume as the program's class would declare it. */
  volume(name: string, inputs: PropertyMap): DesiredResource {
    return {
      type: "pulumi-nodejs:dynamic/proxmox:ZonedPersistentVolume",
      name,
      provider: `exports.handler=()=>require("proxmox-federation/runtime").zonedPersistentVolume`,
      inputs: {
        pool: "kubernetes",
        storageClass: "fast",
        kubernetes: { kubeconfigContent: secret(this.controlPlane.kubeconfigOf({ token: this.token })) },
        ...inputs,
        __identity: { stack: "test/dev", name },
      },
      dependsOn: ["kubernetes"],
    };
  }
}

/** The rights that docs/kubernetes.md asks for. */
export const PROVIDER_RULES: library.V1PolicyRule[] = [
  { apiGroups: [""], resources: ["persistentvolumes", "persistentvolumeclaims"], verbs: ["get", "list", "create", "patch", "delete"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
  { apiGroups: [""], resources: ["nodes"], verbs: ["list"] },
  { apiGroups: ["apps"], resources: ["statefulsets", "deployments"], verbs: ["get", "list"] },
  { apiGroups: ["apps"], resources: ["statefulsets/scale", "deployments/scale"], verbs: ["patch"] },
  { apiGroups: ["storage.k8s.io"], resources: ["storageclasses", "volumeattachments"], verbs: ["get", "list"] },
];

/** A service account with just these rights. @returns its token */
export async function createAccount(kubeconfig: library.KubeConfig, name: string, rules: library.V1PolicyRule[]): Promise<string> {
  const namespace = "kube-system";
  const core = kubeconfig.makeApiClient(library.CoreV1Api);
  const rbac = kubeconfig.makeApiClient(library.RbacAuthorizationV1Api);
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
  await rbac.createClusterRole({ body: { metadata: { name }, rules } });
  await rbac.createClusterRoleBinding({
    body: {
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ kind: "ServiceAccount", namespace, name }],
    },
  });
  const request = await core.createNamespacedServiceAccountToken({ namespace, name, body: { spec: { audiences: [] } } });
  return request.status!.token;
}

/** A StatefulSet of one pod on a claim that exists; `nodeSelector` chooses the worker. */
export function statefulSet(name: string, claimName: string, nodeSelector: Record<string, string> = {}): library.V1StatefulSet {
  const labels = { app: name };
  return {
    metadata: { namespace: "default", name },
    spec: {
      serviceName: name,
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          nodeSelector,
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "main", image: "none.invalid/none", volumeMounts: [{ name: "data", mountPath: "/data" }] }],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
        },
      },
    },
  };
}
