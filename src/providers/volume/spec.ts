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

export const volumeSchema = z.strictObject({
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
      // The plugin moves the VM that owns a replicated disk, and deletes it with its jobs: never one that carries our mark.
      replicate: z
        .never({
          error:
            "is not possible for a volume of a program: the plugin would migrate and delete the VM that owns the disk. Use a storage that the nodes share, or a StorageClass of the plugin with replicate",
        })
        .optional(),
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

export type VolumeSpec = z.output<typeof volumeSchema>;

/** What is fixed once a PersistentVolume exists: Kubernetes refuses the change, or the data would not fit it any more. */
export const FIXED_KEYS = ["storageClassName", "fsType", "volumeMode", "accessMode", "mountOptions", "attributes", "luks"] as const;
