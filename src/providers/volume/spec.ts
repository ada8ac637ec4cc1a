/** What a program may say about a volume of Kubernetes. */
import { z } from "zod";
import { sizeInput } from "../schema";

const dnsLabel = (noun: string) =>
  z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, `must be usable as ${noun}: lower-case letters, digits and -, at most 63`);
const dnsName = (noun: string) =>
  z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, `must be usable as ${noun}: lower-case letters, digits, - and .`);

/** The PersistentVolume's name adds 9 characters to it, and still has to fit a label. */
const volumeName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,52}[a-z0-9])?$/,
    "must be usable as a Kubernetes and a guest name: lower-case letters, digits and -, at most 54",
  );

const volumeShape = z.strictObject({
  name: volumeName,
  pool: z.string().optional(),
  size: sizeInput,
  storageClass: z.string().default(""),
  description: z.string().max(4096).default(""),
  region: z.string().optional(),
  zone: z.string().optional(),
  location: z.string().optional(),
  residency: z.array(z.string()).default([]),
  kubernetes: z
    .strictObject({ kubeconfig: z.string().optional(), kubeconfigContent: z.string().optional(), context: z.string().optional() })
    .refine((value) => value.kubeconfig === undefined || value.kubeconfigContent === undefined, {
      message: "kubeconfig and kubeconfigContent exclude each other: give the file or the text",
    })
    .default({}),
  storageClassName: z.union([z.literal(""), dnsName("a StorageClass name")]).default(""),
  fsType: z.enum(["ext4", "xfs"]).default("ext4"),
  volumeMode: z.enum(["Filesystem", "Block"]).default("Filesystem"),
  accessMode: z.enum(["ReadWriteOnce", "ReadWriteOncePod"]).default("ReadWriteOnce"),
  mountOptions: z.array(z.string()).default([]),
  attributes: z
    .strictObject({
      cache: z.enum(["directsync", "none", "writeback", "writethrough"]).optional(),
      aio: z.enum(["native", "threads", "io_uring"]).optional(),
      ssd: z.boolean().optional(),
      ioThread: z.boolean().optional(),
      diskIops: z.int().positive().optional(),
      diskMBps: z.int().positive().optional(),
      replicate: z.never({ error: "is said by replicate: { zones } of the volume itself" }).optional(),
    })
    .default({}),
  claim: z
    .strictObject({
      namespace: dnsLabel("a namespace"),
      name: dnsName("a claim's name"),
      labels: z.record(z.string(), z.string()).default({}),
      /** False: somebody else makes the claim, such as a StatefulSet from its template. */
      create: z.boolean().default(true),
    })
    .optional(),
  luks: z.strictObject({ secretName: dnsName("a Secret's name"), secretNamespace: dnsLabel("a namespace") }).optional(),
  /** A volume that exists already, which is taken over instead of making one. */
  adopt: z
    .strictObject({
      persistentVolume: dnsName("a PersistentVolume's name").optional(),
      volumeHandle: z.string().optional(),
      takeOwnership: z.boolean().default(false),
    })
    .refine((value) => (value.persistentVolume === undefined) !== (value.volumeHandle === undefined), {
      message: "give either persistentVolume or volumeHandle",
    })
    .optional(),
  /** Zones of its region that Proxmox replicates the disk to; pods may run in any of them. It is made in the first. */
  replicate: z
    .strictObject({
      zones: z.array(z.string().min(1)).min(2, "name at least two zones"),
      /** Calendar event of Proxmox. */
      schedule: z.string().min(1).max(128).default("*/15"),
    })
    .refine(({ zones }) => new Set(zones).size === zones.length, { path: ["zones"], message: "names a zone twice" })
    .refine(({ zones }) => !zones.some((zone) => zone.includes(",")), { path: ["zones"], message: "the name of a zone has no comma" })
    .optional(),
  /** What the storage must be; absent: as it is. */
  shared: z.boolean().optional(),
  /** A new volume without a zone goes only where a Kubernetes worker runs. */
  besideWorkers: z.boolean().default(true),
  allowMove: z.boolean().default(false),
  quiesce: z
    .strictObject({
      kind: z.enum(["StatefulSet", "Deployment"]),
      namespace: dnsLabel("a namespace"),
      name: dnsName("a workload's name"),
      timeoutSeconds: z.int().min(1).max(86_400).default(300),
    })
    .optional(),
});

/** Of a replicated volume these are decided by `replicate` itself. */
const replicated = (value: z.output<typeof volumeShape>, context: z.RefinementCtx) => {
  if (!value.replicate) return;
  const refuse = (property: "region" | "zone" | "adopt" | "shared", message: string) =>
    context.addIssue({ code: "custom", path: [property], message });
  if (value.region === undefined) refuse("region", "is needed with replicate: its zones are nodes of one region");
  if (value.zone !== undefined) refuse("zone", "goes without replicate: a replicated volume is made in the first of replicate.zones");
  if (value.adopt) refuse("adopt", "goes without replicate: a volume is taken over as it is");
  if (value.shared === true) refuse("shared", "a storage that the nodes share needs no replication");
};

export const volumeSchema = volumeShape.superRefine(replicated);

export type VolumeSpec = z.output<typeof volumeSchema>;

/** What is fixed once a PersistentVolume exists: Kubernetes refuses the change, or the data would not fit it any more. */
export const FIXED_KEYS = [
  "storageClassName",
  "fsType",
  "volumeMode",
  "accessMode",
  "mountOptions",
  "attributes",
  "luks",
  "replicate",
] as const;
