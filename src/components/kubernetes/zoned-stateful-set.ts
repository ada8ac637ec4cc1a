import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type DeclaredOrder, declareVolumeSet } from "../../providers/declaration-order";
import { poolName } from "../../providers/resource-pool";
import {
  type KubernetesConnectionArgs,
  workersOf,
  ZonedPersistentVolume,
  type ZonedPersistentVolumeArgs,
} from "../../providers/zoned-persistent-volume";
import { type PodTemplate, spreadOverZones } from "./pod-spread";

export interface Zone {
  /** Region of the Proxmox cluster. */
  region: string;
  /** Proxmox node. */
  zone: string;
}

/** One volume of every replica; what the set decides itself is left out, and what binds a volume to more than one zone. */
export interface ZonedVolumeTemplate
  extends Omit<
    ZonedPersistentVolumeArgs,
    | "name"
    | "pool"
    | "region"
    | "zone"
    | "replicate"
    | "claim"
    | "quiesce"
    | "allowMove"
    | "kubernetes"
    | "identity"
    | "adopt"
    | "besideWorkers"
  > {
  accessMode?: "ReadWriteOnce" | "ReadWriteOncePod";
  volumeMode?: "Filesystem" | "Block";
  /** Default `""`: Kubernetes makes no volumes of its own for replicas that the program does not know. */
  storageClassName?: string;
}

export interface ZonedStatefulSetArgs {
  /** Of the StatefulSet; default: the resource's. */
  name?: string;
  /** Default `default`. */
  namespace?: string;
  replicas: number;
  /**
   * Where the volumes are: replica 0 in the first zone, replica 1 in the second, and around again. Default: placement decides,
   * once for all replicas, evenly over the zones that have a Kubernetes worker and room. Then a replica that has a place keeps
   * it, and what decides places must be plain values.
   */
  zones?: Zone[];
  /** Without `zones`: only where a Kubernetes worker runs. Default true. */
  besideWorkers?: boolean;
  /** By the name that the pod's `volumeMounts` use. */
  volumes: Record<string, ZonedVolumeTemplate>;
  template: pulumi.Input<kubernetes.types.input.core.v1.PodTemplateSpec>;
  /** Of the pods; they must be among the template's. Default: `app: <name>`, added to the template's. */
  labels?: Record<string, string>;
  /** Headless Service of the set; default: its name. */
  serviceName?: pulumi.Input<string>;
  /** Pool of the volumes; default: `federation.default_pool`. */
  pool?: ZonedPersistentVolumeArgs["pool"];
  /** How the volumes reach the cluster; the StatefulSet itself goes through the Kubernetes provider. */
  kubernetes?: pulumi.Input<KubernetesConnectionArgs>;
  /** Lets data move when `zones` change: the set is scaled down meanwhile, once per volume. Default false: refused. */
  allowMove?: pulumi.Input<boolean>;
}

/**
 * A StatefulSet whose volumes are disks in zones, spread over them; the zones are given or chosen by placement. Every
 * replica's claims are there before it, bound to its volumes, so the scheduler puts it where its data is.
 */
export class ZonedStatefulSet extends pulumi.ComponentResource {
  /** By the names of their claims, `<volume>-<set>-<replica>`. */
  readonly volumes: Readonly<Record<string, ZonedPersistentVolume>>;
  readonly statefulSet: kubernetes.apps.v1.StatefulSet;

  /** @throws Error that names what is wrong with the arguments */
  constructor(resource: string, args: ZonedStatefulSetArgs, options?: pulumi.ComponentResourceOptions) {
    requireUsable(resource, args);
    const order = args.zones ? undefined : declareTogether(resource, args);
    super("proxmox-federation:kubernetes:ZonedStatefulSet", resource, {}, options);
    const { name = resource, namespace = "default", replicas, zones, besideWorkers } = args;
    const labels = args.labels ?? { app: name };
    const volumes: Record<string, ZonedPersistentVolume> = {};
    // One after the other: each move scales the whole set down and up again, and two at once would undo each other's.
    let previous: ZonedPersistentVolume[] = [];
    for (let replica = 0; replica < replicas; replica++)
      for (const [volume, template] of Object.entries(args.volumes)) {
        const claim = `${volume}-${name}-${replica}`;
        const at = zones?.[replica % zones.length];
        volumes[claim] = new ZonedPersistentVolume(
          volumeResource(volume, resource, replica),
          {
            ...template,
            pool: args.pool,
            kubernetes: args.kubernetes,
            ...(at ? { region: at.region, zone: at.zone } : { besideWorkers }),
            claim: { namespace, name: claim, labels },
            allowMove: args.allowMove,
            quiesce: { kind: "StatefulSet", namespace, name },
          },
          { parent: this, dependsOn: previous },
          order,
        );
        previous = [volumes[claim]];
      }
    this.volumes = volumes;
    this.statefulSet = new kubernetes.apps.v1.StatefulSet(
      resource,
      {
        metadata: { name, namespace, labels },
        spec: {
          replicas,
          serviceName: args.serviceName ?? name,
          selector: { matchLabels: labels },
          template: pulumi.output(args.template).apply((template) => spreadOverZones(template as PodTemplate, labels)),
          volumeClaimTemplates: Object.entries(args.volumes).map(([volume, template]) => toClaimTemplate(volume, labels, template)),
          // The claims are the program's, as the volumes are.
          persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
        },
      },
      { parent: this, dependsOn: Object.values(volumes) },
    );
    this.registerOutputs({});
  }
}

function volumeResource(volume: string, set: string, replica: number): string {
  return `${volume}-${set}-${replica}`;
}

/** What placement needs to know of all volumes, so that the first that is checked can decide for all. */
function declareTogether(
  resource: string,
  { pool, kubernetes: connection, besideWorkers, replicas, volumes }: ZonedStatefulSetArgs,
): DeclaredOrder {
  const templates = Object.entries(volumes);
  const [[, first]] = templates as [[string, ZonedVolumeTemplate]];
  const order = declareVolumeSet({
    kind: "volume-set",
    name: resource,
    pool: poolName(pool),
    workers: workersOf({ besideWorkers, kubernetes: connection }),
    volumes: templates.map(([, { size, storageClass, location, residency }]) => ({ size, storageClass, location, residency })),
    replicas: Array.from({ length: replicas }, (_, replica) =>
      templates.map(([volume]) => `pv/${volumeResource(volume, resource, replica)}`),
    ),
  });
  const asksFor = ({ location, residency }: ZonedVolumeTemplate) => JSON.stringify([location, residency]);
  const other = templates.find(([, template]) => asksFor(template) !== asksFor(first));
  if (other)
    throw new Error(
      `ZonedStatefulSet ${resource}: volume ${other[0]} has another location or residency, but a pod needs its volumes in one zone. Give all the same, or give zones.`,
    );
  return order;
}

function requireUsable(resource: string, { replicas, zones, volumes }: ZonedStatefulSetArgs): void {
  if (!Number.isInteger(replicas) || replicas < 0)
    throw new Error(`ZonedStatefulSet ${resource}: replicas is ${replicas}; give a whole number from 0.`);
  if (zones?.length === 0)
    throw new Error(`ZonedStatefulSet ${resource}: zones is empty; name at least one region and zone, or leave it out.`);
  if (Object.keys(volumes).length === 0)
    throw new Error(`ZonedStatefulSet ${resource}: volumes is empty; a set without volumes is a StatefulSet of Kubernetes.`);
}

/** Of the claims, which are there already, only the names count. */
function toClaimTemplate(
  name: string,
  labels: Record<string, string>,
  template: ZonedVolumeTemplate,
): kubernetes.types.input.core.v1.PersistentVolumeClaim {
  return {
    metadata: { name, labels },
    spec: {
      accessModes: [template.accessMode ?? "ReadWriteOnce"],
      volumeMode: template.volumeMode ?? "Filesystem",
      storageClassName: template.storageClassName ?? "",
      // Not the volume's size: Kubernetes lets nothing here be changed, and a volume that grows must not cost the whole set.
      resources: { requests: { storage: "1Mi" } },
    },
  };
}
