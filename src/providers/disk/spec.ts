/** What a program may say about a disk with a life of its own. */
import { z } from "zod";
import { sizeInput } from "../schema";

export const diskSchema = z.strictObject({
  name: z.string().regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/, "must be usable as a guest name: letters, digits and -"),
  pool: z.string().optional(),
  size: sizeInput,
  storageClass: z.string().default(""),
  description: z.string().max(4096).default(""),
  location: z.string().optional(),
  residency: z.array(z.string()).default([]),
  pin: z.strictObject({ cluster: z.string().optional(), node: z.string().optional() }).optional(),
  /** The FederatedVM it is attached to; the disk follows it from cluster to cluster. */
  attachTo: z.strictObject({ cluster: z.string(), node: z.string(), vmid: z.number() }).optional(),
  ssd: z.boolean().optional(),
  discard: z.boolean().optional(),
  ioThread: z.boolean().optional(),
});

export type DiskSpec = z.output<typeof diskSchema>;
