/** What a program may say about a VM, and its checked form. */
import { z } from "zod";
import { ruleInput } from "../pool/spec";
import { sizeInput } from "../schema";

const LEAST_MEMORY_BYTES = 16 * 1024 * 1024;

const hostname = z
  .string()
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/, "must be a DNS name");
const tag = z.string().regex(/^[a-z0-9_][a-z0-9_\-+.]*$/, "must be a Proxmox tag: lower case letters, digits and _ - + .");

const diskInput = z.strictObject({
  name: z.string().optional(),
  storageClass: z.string().default(""),
  size: sizeInput,
  ssd: z.boolean().optional(),
  discard: z.boolean().optional(),
  ioThread: z.boolean().optional(),
  cache: z.enum(["none", "writethrough", "writeback", "directsync", "unsafe"]).optional(),
});

const networkInput = z.strictObject({
  network: z.string(),
  model: z.enum(["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"]).default("virtio"),
  mac: z
    .string()
    .regex(/^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$/, "must be a MAC address like BC:24:11:00:00:01")
    .transform((mac) => mac.toUpperCase())
    .optional(),
  firewall: z.boolean().optional(),
});

const cloudInitInput = z.strictObject({
  user: z.string().optional(),
  sshKeys: z.array(z.string()).optional(),
  ipConfigs: z.array(z.string()).optional(),
  nameservers: z.array(z.string()).optional(),
  searchDomain: z.string().optional(),
  storageClass: z.string().default(""),
});

export const vmSchema = z
  .strictObject({
    name: hostname,
    pool: z.string().optional(),
    cores: z.int().min(1).max(8192),
    sockets: z.int().min(1).max(4).default(1),
    cpuType: z.string().default("x86-64-v2-AES"),
    memory: sizeInput,
    balloon: sizeInput.optional(),
    disks: z.array(diskInput).max(16, "a VM has at most 16 disks of its own (scsi0 to scsi15)").default([]),
    networks: z.array(networkInput).max(32).default([]),
    image: z.string().optional(),
    cloudInit: cloudInitInput.optional(),
    tags: z.array(tag).default([]),
    description: z.string().max(4096).default(""),
    onBoot: z.boolean().default(true),
    startOrder: z.int().min(1).optional(),
    agent: z.boolean().default(false),
    bios: z.enum(["seabios", "ovmf"]).optional(),
    machine: z.string().optional(),
    osType: z.string().default("l26"),
    scsiController: z.string().default("virtio-scsi-single"),
    running: z.boolean().default(true),
    location: z.string().optional(),
    residency: z.array(z.string()).default([]),
    affinity: z.array(tag).default([]),
    antiAffinity: z.array(tag).default([]),
    rules: z.array(ruleInput).default([]),
    adopt: z.strictObject({ cluster: z.string(), vmid: z.int().min(100).max(999_999_999) }).optional(),
    pin: z.strictObject({ cluster: z.string().optional(), node: z.string().optional() }).optional(),
    shutdown: z.strictObject({ timeoutSeconds: z.int().min(1).default(180), force: z.boolean().default(false) }).prefault({}),
    agentTimeoutSeconds: z.int().min(1).default(300),
  })
  .superRefine((vm, context) => {
    if (vm.image !== undefined && vm.disks.length === 0)
      context.addIssue({ code: "custom", path: ["disks"], message: "an image needs a first disk to be imported into: add disks[0]" });
    if (vm.memory < LEAST_MEMORY_BYTES)
      context.addIssue({ code: "custom", path: ["memory"], message: `${vm.memory} bytes are less than Proxmox takes: at least "16MiB"` });
    if (vm.balloon !== undefined && vm.balloon > vm.memory)
      context.addIssue({ code: "custom", path: ["balloon"], message: "is the least memory, and more than memory: declare less" });
    if (vm.bios === "ovmf")
      context.addIssue({
        code: "custom",
        path: ["bios"],
        message: "ovmf needs an EFI disk, which this version does not create: use seabios",
      });
  });

export type VmSpec = z.output<typeof vmSchema>;
