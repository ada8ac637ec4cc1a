/** Recorded wire transcripts of real nodes. They lie beside the repository and may be absent. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Era } from "../../../src/simulator";

export const referenceDirectory = resolve(__dirname, "../../../../shared/pve");
/** Why tests that need the recordings are skipped, `undefined` when they are there. */
export const referenceMissing = existsSync(referenceDirectory) ? undefined : `no recordings at ${referenceDirectory}`;
if (referenceMissing) console.warn(`skipped: ${referenceMissing}`);

export interface RecordedStep {
  step: number;
  as: string;
  note?: string;
  request: {
    method: string;
    path: string;
    params: Record<string, unknown> | null;
    encoding: "form" | "json" | "query" | "multipart";
    headers: Record<string, string>;
    rawBody?: string;
  };
  response: { status?: number; reason?: string; body?: unknown; contentType?: string; ms?: number };
  /** The awaited worker of a call that returned a UPID. */
  task?: { upid: string; status: { exitstatus?: string }; log: string[]; seconds?: number };
}

/** A line without a request: something that happened outside the wire, or raw bytes. */
export interface RecordedRemark {
  step: number;
  remark?: string;
  raw?: { sent: string[]; received: string[] };
}

export type RecordedLine = RecordedStep | RecordedRemark;

export function loadTranscript(era: Era, flow: string): RecordedLine[] {
  return readLines(`transcripts/${era}-${flow}.jsonl`) as RecordedLine[];
}

export function readReference(file: string): string {
  return readFileSync(resolve(referenceDirectory, file), "utf8");
}

export function readLines(file: string): unknown[] {
  return readReference(file)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

export function isStep(line: RecordedLine): line is RecordedStep {
  return "request" in line;
}
