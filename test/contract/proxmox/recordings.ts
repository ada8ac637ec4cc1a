import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** Recordings of real Proxmox VE lie beside the repository: they are test data under another licence. */
const directory = resolve(__dirname, "../../../../shared/pve");

export const recordingsExist = existsSync(directory);

/** Prints why a suite is skipped; true when it is. */
export function skipWithoutRecordings(suite: string): boolean {
  if (!recordingsExist) console.warn(`${suite}: skipped, no recordings of Proxmox VE in ${directory}`);
  return !recordingsExist;
}

function readLines<T>(file: string): T[] {
  if (!recordingsExist) return [];
  return readFileSync(join(directory, file), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** A call of one of Proxmox's own functions. */
export interface FunctionVector {
  id: string;
  kind: string;
  fn: string;
  args: unknown[];
  result?: unknown;
  error?: string;
}

export function functionVectors(...fns: string[]): FunctionVector[] {
  return readLines<FunctionVector>("vectors.jsonl").filter(({ fn }) => fns.includes(fn));
}

export interface RecordedStep {
  flow: string;
  era: string;
  step: number;
  note?: string;
  request: { method: string; path: string; params?: Record<string, unknown> | null };
  response: { status: number; reason: string; contentType?: string | null; body?: unknown };
  task?: { upid: string; status: { exitstatus?: string } | string; log: string[] };
}

/** Requests on the wire that were answered, in the order recorded. */
export function recordedSteps(): RecordedStep[] {
  if (!recordingsExist) return [];
  return readdirSync(join(directory, "transcripts"))
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) => readLines<Partial<RecordedStep>>(join("transcripts", file)))
    .filter((step): step is RecordedStep => typeof step.response?.status === "number");
}

export interface SchemaParameter {
  type?: string;
  optional?: number | boolean;
  enum?: string[];
  pattern?: string;
  minimum?: number | string;
  maximum?: number | string;
  requires?: string;
}

export interface SchemaObject {
  properties?: Record<string, SchemaParameter>;
  additionalProperties?: number;
  /** All of these together. */
  allOf?: SchemaObject[];
  /** The one whose `instance-type` the parameter named by `type-property` has. */
  oneOf?: SchemaObject[];
  "instance-type"?: string;
  "type-property"?: string;
}

export interface SchemaMethod {
  parameters?: SchemaObject;
}

/** The parameters that are declared for a call with these values. */
export function declaredParameters(schema: SchemaObject | undefined, given: Record<string, string>): Record<string, SchemaParameter> {
  const { properties = {}, allOf = [], oneOf = [] } = schema ?? {};
  const type = schema?.["type-property"];
  const chosen = oneOf.filter((one) => type !== undefined && one["instance-type"] === given[type]);
  const parts = [...allOf, ...chosen].map((part) => declaredParameters(part, given));
  return Object.assign({}, properties, type === undefined ? {} : { [type]: { type: "string" } }, ...parts);
}

interface SchemaNode {
  path: string;
  info?: Record<string, SchemaMethod>;
  children?: SchemaNode[];
}

/** Path → method → declaration. */
export function readSchema(version: "8.4.21" | "9.2.11"): Map<string, Record<string, SchemaMethod>> {
  const paths = new Map<string, Record<string, SchemaMethod>>();
  const walk = (nodes: SchemaNode[]): void => {
    for (const node of nodes) {
      if (node.info !== undefined) paths.set(node.path, node.info);
      walk(node.children ?? []);
    }
  };
  if (recordingsExist) walk(JSON.parse(readFileSync(join(directory, `apischema-${version}.json`), "utf8")) as SchemaNode[]);
  return paths;
}
