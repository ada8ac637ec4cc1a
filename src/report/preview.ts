/** What `pulumi preview --json` says about our resources. Its text is data of a build: nothing in it is trusted. Pure. */
import { z } from "zod";
import { parseSizeBytes } from "../config";
import type { Place } from "./topology";

const MIB = 1024 * 1024;

/** One resource that the preview touches. */
export interface PlannedResource {
  kind: "vm" | "disk" | "pool" | "volume";
  name: string;
  operation: "create" | "update" | "replace" | "delete" | "same";
  from?: Place;
  to?: Place;
  /** Why there. */
  why?: string;
  /** What the move does, as the preview shows it: method, store, transfer, downtime, … */
  migration?: Record<string, string>;
  restart?: string;
  cores?: number;
  memoryMiB?: number;
}

export interface PlannedChanges {
  resources: PlannedResource[];
  /** Errors and warnings of the preview. */
  messages: { severity: string; text: string }[];
}

export class PreviewError extends Error {
  readonly code = "PREVIEW_INVALID";
}

const place = z.looseObject({ cluster: z.string(), node: z.string(), why: z.string().optional() });
const state = z.looseObject({ inputs: z.looseObject({}).optional() });
const step = z.looseObject({
  op: z.string(),
  urn: z.string(),
  oldState: state.optional(),
  newState: state.optional(),
});
const previewSchema = z.looseObject({
  steps: z.array(step).default([]),
  diagnostics: z.array(z.looseObject({ severity: z.string().default("info"), message: z.string().default("") })).default([]),
});

const KINDS: Record<string, PlannedResource["kind"]> = {
  FederatedVM: "vm",
  ProxmoxDisk: "disk",
  ResourcePool: "pool",
  ZonedPersistentVolume: "volume",
};

/** Pulumi's steps of a replacement come as three; the one that says what becomes of the resource is kept. */
const OPERATIONS: Record<string, PlannedResource["operation"]> = {
  create: "create",
  update: "update",
  replace: "replace",
  delete: "delete",
  same: "same",
};

/** @throws PreviewError when the text is not what `pulumi preview --json` prints */
export function readPreview(text: string): PlannedChanges {
  const parsed = previewSchema.safeParse(parseJson(text));
  if (!parsed.success)
    throw new PreviewError(
      "It is JSON, but not what `pulumi preview --json` prints: it has no list of steps. Write its output to the file.",
    );
  return {
    resources: parsed.data.steps.flatMap(({ op, urn, oldState, newState }) => {
      const [, type, name] = /(?:::|\$)pulumi-nodejs:dynamic\/proxmox:(\w+)::(.+)$/.exec(urn) ?? [];
      const kind = KINDS[type ?? ""];
      const operation = OPERATIONS[op];
      if (kind === undefined || operation === undefined || name === undefined) return [];
      return [toResource(kind, name, operation, oldState?.inputs ?? {}, newState?.inputs ?? {})];
    }),
    messages: parsed.data.diagnostics
      .filter(({ severity }) => severity === "error" || severity === "warning")
      .map(({ severity, message }) => ({ severity, text: message.trim() })),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PreviewError(
      `It is no JSON (${error instanceof Error ? error.message : String(error)}). Write it with: pulumi preview --json > preview.json`,
    );
  }
}

function toResource(
  kind: PlannedResource["kind"],
  name: string,
  operation: PlannedResource["operation"],
  olds: Record<string, unknown>,
  news: Record<string, unknown>,
): PlannedResource {
  const before = place.safeParse(olds.placement);
  const after = place.safeParse(news.placement);
  const migration = textsOf(news.migration);
  return {
    kind,
    name,
    operation,
    ...(before.success ? { from: { cluster: before.data.cluster, node: before.data.node } } : {}),
    ...(after.success ? { to: { cluster: after.data.cluster, node: after.data.node }, why: after.data.why } : {}),
    ...(migration === undefined ? {} : { migration }),
    ...(typeof news.restart === "string" ? { restart: news.restart } : {}),
    ...amountsOf(operation === "delete" ? olds : news),
  };
}

function textsOf(value: unknown): Record<string, string> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function amountsOf({ cores, sockets = 1, memory }: Record<string, unknown>): { cores?: number; memoryMiB?: number } {
  if (typeof cores !== "number" || typeof sockets !== "number") return {};
  if (typeof memory !== "string" && typeof memory !== "number") return {};
  const memoryBytes = typeof memory === "number" ? memory : parseSizeBytes(memory);
  return { cores: cores * sockets, memoryMiB: Math.ceil(memoryBytes / MIB) };
}
