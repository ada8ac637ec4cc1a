/**
 * What a VM's own program demands of its place, as its mark carries it: so that commands that know no program respect it too.
 * Pure.
 */
import { z } from "zod";
import type { Mark } from "../../migration";
import type { PlacementRequest, Rule } from "../../placement";
import { ruleInput } from "../pool/spec";
import type { VmSpec } from "./spec";

export type Demands = Pick<PlacementRequest, "rules" | "residency" | "location" | "pin">;

/**
 * Proxmox keeps 8192 characters of description (live finding 12): 4096 are the user's, the rest has to hold the journal of a
 * move as well.
 */
const MOST_CHARACTERS = 1_500;
const TOO_LONG = "too long";

const demandsSchema = z.object({
  rules: z.array(ruleInput).default([]),
  residency: z.array(z.string()).default([]),
  location: z.string().optional(),
  pin: z.object({ cluster: z.string().optional(), node: z.string().optional() }).optional(),
});

export function demandsOf(spec: VmSpec): Demands {
  return { rules: [...spec.rules, ...groupRules(spec)], residency: spec.residency, location: spec.location, pin: spec.pin };
}

function groupRules(spec: VmSpec): Rule[] {
  return [
    ...spec.affinity.map((value): Rule => ({ type: "affinity", target: "tag", operator: "must", value, scope: "cluster" })),
    ...spec.antiAffinity.map((value): Rule => ({ type: "anti-affinity", target: "tag", operator: "must", value, scope: "node" })),
  ];
}

/** As JSON text, which shapes compare; `undefined` when it demands nothing. */
export function formatDemands(spec: VmSpec): string | undefined {
  const { rules, residency, location, pin } = demandsOf(spec);
  const written = JSON.stringify({
    ...(rules.length === 0 ? {} : { rules }),
    ...(residency.length === 0 ? {} : { residency }),
    location,
    pin,
  });
  if (written.length > MOST_CHARACTERS) return JSON.stringify(TOO_LONG);
  return written === "{}" ? undefined : written;
}

/** For the mark. `{}` says that nothing is demanded; a mark of an older version says nothing. */
export function toMarkDemands(formatted: string | undefined): NonNullable<Mark["demands"]> {
  return formatted === undefined ? {} : (JSON.parse(formatted) as NonNullable<Mark["demands"]>);
}

/** Back from the mark, as {@link formatDemands} writes it. */
export function observeDemands(mark: Mark | undefined): string | undefined {
  if (mark?.demands === undefined) return undefined;
  const written = JSON.stringify(mark.demands);
  return written === "{}" ? undefined : written;
}

/** `undefined`: not known, because the mark is of an older version, they did not fit, or somebody has edited them. */
export function readDemands(mark: Mark): Demands | undefined {
  const parsed = demandsSchema.safeParse(mark.demands);
  return parsed.success ? parsed.data : undefined;
}
