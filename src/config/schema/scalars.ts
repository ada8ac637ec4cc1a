/** The kinds of values `federation.yaml` has. Messages say what was wrong; the position comes from the loader. */
import { z } from "zod";
import { HiddenSecret } from "../hidden-secret";
import { parseBandwidthBitsPerSecond, parseDurationMs, parseLatencyMs, parsePercent, parseSizeBytes, UnitError } from "../units";

/** A zod issue of code `custom` may carry this in `params`. */
export interface IssueParams {
  suggestion?: string;
}

/** A value refused by a `parse` function below. */
export class ValueError extends Error {
  constructor(
    message: string,
    readonly suggestion?: string,
  ) {
    super(message);
    this.name = "ValueError";
  }
}

/** Adds a step that turns a {@link ValueError} or {@link UnitError} into a finding at the value. */
export function refined<Input extends z.ZodType, Output>(input: Input, parse: (value: z.output<Input>) => Output) {
  return input.transform((value, context): Output => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof ValueError || error instanceof UnitError)) throw error;
      const params: IssueParams = error.suggestion === undefined ? {} : { suggestion: error.suggestion };
      context.addIssue({ code: "custom", message: error.message, params: { ...params } });
      return z.NEVER;
    }
  });
}

const textOrNumber = (noun: string) => z.union([z.string(), z.number()], { error: `must be a ${noun}, written as a text or a number` });

export const size = () => refined(textOrNumber("size"), parseSizeBytes);
export const latency = () => refined(textOrNumber("latency"), parseLatencyMs);
export const bandwidth = () =>
  refined(textOrNumber("bandwidth"), (value) => {
    const bitsPerSecond = parseBandwidthBitsPerSecond(value);
    if (bitsPerSecond === 0) throw new ValueError("a bandwidth of 0 lets nothing through", "Leave the key out for no limit.");
    return bitsPerSecond;
  });
/** Timers of Node end at 2³¹ ms, a little under 25 days; a longer one would fire at once. */
const LONGEST_DURATION_MS = 24 * 86_400_000;

/** More than 0 and at most 24 days; a bare number is in seconds. */
export const duration = () => durationUpTo(LONGEST_DURATION_MS, "24 days");
/** A duration that only ages are compared with: no timer ever runs for it. */
export const age = () => durationUpTo(3650 * 86_400_000, "3650 days");

function durationUpTo(longestMs: number, longest: string) {
  return refined(textOrNumber("duration"), (value) => {
    const durationMs = parseDurationMs(value, { bareUnit: "s" });
    if (durationMs === 0) throw new ValueError("must be longer than 0");
    if (durationMs > longestMs) throw new ValueError(`must be at most ${longest}`);
    return durationMs;
  });
}

/** A fraction from 0 to below 1. */
export const share = () =>
  refined(textOrNumber("share"), (value) => {
    const fraction = parsePercent(value);
    if (fraction >= 1) throw new ValueError(`"${value}" must be below 100%`);
    return fraction;
  });

const notEmpty = "must not be empty";
export const text = () => z.string().min(1, notEmpty);
export const count = () => z.int().min(1, "must be at least 1");
export const price = () => z.number().min(0, "must not be negative");

function named(pattern: RegExp, maxLength: number, noun: string, rule: string) {
  return refined(z.string().min(1, notEmpty), (value) => {
    if (!pattern.test(value)) throw new ValueError(`${JSON.stringify(value)} is not a ${noun}`, rule);
    if (value.length > maxLength) throw new ValueError(`is longer than ${maxLength} characters`, "Choose a shorter name.");
    // Ids become keys of plain objects.
    if (value in Object.prototype) throw new ValueError(`\`${value}\` is reserved`, "Choose another name.");
    return value;
  });
}

/** Cluster ids and regions appear as Kubernetes label values and in volume handles. */
export const clusterId = () =>
  named(
    /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    63,
    "cluster id",
    "Use letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit.",
  );
export const federationName = () =>
  named(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
    40,
    "federation name",
    "Use lower-case letters, digits and `-`: it becomes part of Proxmox tags.",
  );
export const nodeName = () =>
  named(/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/, 63, "node name", "Use the host name Proxmox shows: letters, digits and `-`.");
export const storageId = () =>
  named(
    /^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]$/,
    100,
    "Proxmox storage id",
    "It begins with a letter, ends with a letter or digit, and has `-`, `_` and `.` between.",
  );
export const poolId = () =>
  named(
    /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+){0,2}$/,
    255,
    "Proxmox pool id",
    "Use letters, digits, `-`, `_` and `.`; at most three levels joined by `/`.",
  );
export const bridgeName = () => named(/^[A-Za-z][A-Za-z0-9_]{1,20}([:.]\d+)?$/, 32, "bridge or VNet name", "For example vmbr0.");
/** Names the user gives to images, templates, networks, classes and stores. */
export const logicalName = () => named(/^[A-Za-z0-9][A-Za-z0-9._ -]*$/, 63, "name", "Use letters, digits, `-`, `_`, `.` and spaces.");
export const volumeId = () =>
  named(/^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]:\S+$/, 512, "volume id", "Write storage:path, for example local:import/debian-13.qcow2.");
export const vmid = () => z.int().min(100, "vmids start at 100").max(999_999_999, "vmids end at 999999999");

export const environmentVariable = () =>
  secretReference(
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    "is not the name of an environment variable",
    "Name the variable that holds the secret, for example PVE_AMS_TOKEN_SECRET.",
  );
export const secretFile = () => secretReference(/^[^\0\n]+$/, "is not a file name", "Name the file that holds the secret.");
export const pulumiKey = () =>
  secretReference(/^[^\s]+$/, "is not a configuration key", "Name the key set with `pulumi config set --secret`.");

/** Refused without quoting the value: people paste the secret itself here. */
function secretReference(pattern: RegExp, message: string, suggestion: string) {
  return refined(z.string().min(1, notEmpty), (value) => {
    if (!pattern.test(value)) throw new ValueError(message, suggestion);
    if (/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(value))
      throw new ValueError("looks like a token secret itself", `${suggestion} Revoke the token if the file was ever shared.`);
    return value;
  });
}

/** A key that would hold a secret in the file; known, so that the message can say where the secret belongs. */
export const literalSecret = (reference: "token_secret" | "password") =>
  z
    .never({
      error: `a secret must not stand in this file. Use \`${reference}_env\` (environment variable), \`${reference}_file\` (file) or \`${reference}_config\` (Pulumi secret configuration); passwords belong there, and one that was ever committed must be replaced`,
    })
    .optional();

/** The secret itself, as the CSI plugin's cloud-config may hold it. Never quoted. */
export const inlineSecret = () => refined(z.string().min(1, notEmpty), (value) => new HiddenSecret(value)).optional();

/** `[100, 199]` or `"100-199"`, both ends included. */
export const range = (noun: string, min: number, max: number) =>
  refined(z.union([z.string(), z.array(z.int())], { error: `must be a range of ${noun}, for example [${min}, ${max}]` }), (value) => {
    const example = `Write [first, last] or "first-last", for example [${min}, ${max}].`;
    const ends = typeof value === "string" ? /^\s*(\d{1,10})\s*-\s*(\d{1,10})\s*$/.exec(value)?.slice(1).map(Number) : value;
    if (ends?.length !== 2) throw new ValueError(`is not a range of ${noun}`, example);
    const [first, last] = ends as [number, number];
    if (first > last) throw new ValueError(`the range ${first}-${last} is reversed`, `Write [${last}, ${first}].`);
    if (first < min || last > max) throw new ValueError(`the range ${first}-${last} leaves ${min}-${max}, which ${noun} allow`);
    return { first, last };
  });
