import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type Cluster, type Credentials, type Federation, resolveCredentials } from "../../config";
import type { StorageClass } from "../../kubernetes";
import { formatCloudConfig } from "./cloud-config";
import { type ProgramFederation, readProgramFederation } from "./program-federation";
import { defaultStorageClasses, type StorageClassArgs, toStorageClasses } from "./storage-classes";

export interface CsiCredentials {
  /** `user@realm!name` */
  tokenId: pulumi.Input<string>;
  /** Kept in the state as a secret. */
  tokenSecret: pulumi.Input<string>;
}

export interface ProxmoxCsiArgs {
  /** Made for the plugin alone. Default `csi-proxmox`. */
  namespace?: string;
  /** Ids of the clusters that the plugin serves; default: every one with a connection that is not lost. */
  clusters?: string[];
  /** The plugin's own token by cluster id; default: the credentials of federation.yaml, which may do more than the plugin needs. */
  credentials?: Record<string, CsiCredentials>;
  /** Ids of clusters whose certificate the plugin does not check; default: those with `verify: false` in federation.yaml. */
  insecure?: string[];
  /** By the name in Kubernetes; default: `proxmox-<class>` for every logical storage class of the clusters. */
  storageClasses?: Record<string, StorageClassArgs>;
  /** False: the plugin is installed by other means, with {@link ProxmoxCsi.secretName}. */
  chart?: CsiChartArgs | false;
}

/** The plugin's Helm chart. */
export interface CsiChartArgs {
  /** A mirror (`oci://…`), a directory or an archive, for sites that do not reach the plugin's registry. */
  source?: string;
  /** Default: the version that the component was made for, unless `source` is given. */
  version?: string;
  /** Added to those that the component sets. */
  values?: pulumi.Inputs;
}

const CHART = "oci://ghcr.io/sergelogvinov/charts/proxmox-csi-plugin";
/** Plugin 0.19.1. */
const CHART_VERSION = "0.5.9";
const CONFIG_KEY = "config.yaml";

/**
 * The Proxmox CSI plugin for the clusters of federation.yaml: its namespace, its configuration as a Secret, the plugin from
 * its Helm chart, and StorageClasses for the federation's storage classes.
 */
export class ProxmoxCsi extends pulumi.ComponentResource {
  readonly namespace: pulumi.Output<string>;
  /** Of the Secret with the plugin's `config.yaml`; another one after every change of it. */
  readonly secretName: pulumi.Output<string>;
  /** Names of the StorageClasses. */
  readonly storageClasses: readonly string[];

  /** @throws Error that names what is wrong with the arguments or the federation file */
  constructor(name: string, args: ProxmoxCsiArgs = {}, options?: pulumi.ComponentResourceOptions) {
    const program = readProgramFederation();
    const clusters = clustersOf(program.federation, args, name);
    const classes = Object.entries(args.storageClasses ?? defaultStorageClasses(clusters));
    const manifests = classes.flatMap(([own, wanted]) => toStorageClasses(own, wanted, clusters));
    super("proxmox-federation:kubernetes:ProxmoxCsi", name, {}, options);
    const child = { parent: this };
    const namespace = new kubernetes.core.v1.Namespace(name, { metadata: namespaceMetadata(args.namespace ?? "csi-proxmox") }, child);
    this.namespace = namespace.metadata.name;
    // Immutable and named by Pulumi: a change makes another Secret, and its name makes the plugin start anew with it.
    const secret = new kubernetes.core.v1.Secret(
      name,
      {
        metadata: { namespace: this.namespace },
        immutable: true,
        stringData: { [CONFIG_KEY]: cloudConfig(program, clusters, args) },
      },
      child,
    );
    this.secretName = secret.metadata.name;
    if (args.chart !== false) this.install(name, args.chart ?? {}, child);
    for (const manifest of manifests) declareStorageClass(name, manifest, child);
    this.storageClasses = manifests.map(({ metadata }) => metadata!.name!);
    this.registerOutputs({ namespace: this.namespace, secretName: this.secretName, storageClasses: this.storageClasses });
  }

  private install(name: string, { source, version, values = {} }: CsiChartArgs, child: pulumi.CustomResourceOptions): void {
    new kubernetes.helm.v3.Release(
      name,
      {
        name: "proxmox-csi-plugin",
        chart: source ?? CHART,
        version: version ?? (source === undefined ? CHART_VERSION : undefined),
        namespace: this.namespace,
        values: pulumi.all([values, this.secretName]).apply(([values, secretName]) => toValues(values, secretName)),
      },
      child,
    );
  }
}

interface ProvisionerValues {
  args?: string[];
}

/**
 * Without strict topology the plugin is told the regions that the StorageClass allows and not the zone of the node that was
 * chosen for the pod, and takes the first zone that has the storage.
 */
function toValues(own: Record<string, unknown>, secretName: string): Record<string, unknown> {
  const controller = own.controller as { provisioner?: ProvisionerValues } | undefined;
  const provisioner = controller?.provisioner;
  const args = [...(provisioner?.args ?? ["--default-fstype=ext4"]), "--strict-topology"];
  return {
    ...own,
    existingConfigSecret: secretName,
    existingConfigSecretKey: CONFIG_KEY,
    controller: { ...controller, provisioner: { ...provisioner, args } },
  };
}

/** The node part of the plugin mounts disks of the host, which the restricted pod security levels forbid. */
function namespaceMetadata(name: string) {
  const levels = { enforce: "privileged", audit: "baseline", warn: "baseline" };
  return {
    name,
    labels: Object.fromEntries(Object.entries(levels).map(([mode, level]) => [`pod-security.kubernetes.io/${mode}`, level])),
  };
}

function declareStorageClass(component: string, { metadata, ...manifest }: StorageClass, child: pulumi.CustomResourceOptions): void {
  const args = { ...manifest, metadata: { name: metadata?.name, annotations: metadata?.annotations } };
  new kubernetes.storage.v1.StorageClass(`${component}-${metadata?.name}`, args as kubernetes.storage.v1.StorageClassArgs, child);
}

function clustersOf(federation: Federation, args: ProxmoxCsiArgs, name: string): Cluster[] {
  const known = federation.clusters.map(({ id }) => id);
  const named = [...(args.clusters ?? []), ...Object.keys(args.credentials ?? {}), ...(args.insecure ?? [])];
  const stranger = named.find((id) => !known.includes(id));
  if (stranger !== undefined)
    throw new Error(`ProxmoxCsi ${name}: cluster ${stranger} is not in federation.yaml (known: ${known.join(", ")}).`);
  const wanted = federation.clusters.filter(({ id, connection, status }) =>
    args.clusters ? args.clusters.includes(id) : connection !== undefined && status !== "lost",
  );
  const unconnected = wanted.find(({ connection }) => connection === undefined);
  if (wanted.length === 0 || unconnected)
    throw new Error(
      `ProxmoxCsi ${name}: ${unconnected ? `cluster ${unconnected.id}` : "every cluster"} lacks \`connection\` in federation.yaml.`,
    );
  return wanted;
}

function cloudConfig(program: ProgramFederation, clusters: readonly Cluster[], args: ProxmoxCsiArgs): pulumi.Output<string> {
  const entries = clusters.map((cluster) => {
    const { apiUrls, tls } = cluster.connection!;
    const insecure = args.insecure ? args.insecure.includes(cluster.id) : !tls.verify;
    if (!insecure && (tls.fingerprint !== undefined || tls.caFile !== undefined))
      pulumi.log.warn(
        `The CSI plugin knows neither fingerprints nor certificate files: it will accept cluster ${cluster.id} only with a certificate of a public authority. Otherwise name the cluster in \`insecure\`.`,
      );
    return pulumi.output(credentialsOf(program, cluster, args.credentials?.[cluster.id])).apply((credentials) => ({
      apiUrl: apiUrls[0]!,
      insecure,
      region: cluster.region,
      credentials,
    }));
  });
  return pulumi.secret(pulumi.all(entries).apply((plain) => formatCloudConfig(plain, program.federation.csi)));
}

function credentialsOf({ environment }: ProgramFederation, cluster: Cluster, own: CsiCredentials | undefined): pulumi.Input<Credentials> {
  if (!own) return pulumi.secret(resolveCredentials(cluster, environment));
  return pulumi.all([own.tokenId, own.tokenSecret]).apply(([tokenId, secret]): Credentials => ({ kind: "token", tokenId, secret }));
}
