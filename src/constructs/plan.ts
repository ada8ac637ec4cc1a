/** Where the VMs of one construct go, or every reason why they cannot be synthesized. Pure but for the promises it adds. */
import type { z } from "zod";
import type { ResourcePool } from "../config";
import { type Placement, type PlacementRequest, placeMany } from "../placement";
import { toFailures } from "../providers/schema";
import { toRequest } from "../providers/vm/request";
import { type VmSpec, vmSchema } from "../providers/vm/spec";
import { SynthError } from "./errors";
import type { Federation, KnownHome } from "./federation";
import { terraformTag, vmKey } from "./identity";

/** The words of a FederatedVM of the Pulumi program; plain values. `name` is the declared one where it is left out. */
export type VmArgs = Omit<z.input<typeof vmSchema>, "name" | "pool" | "adopt"> & { name?: string };

export interface PlannedVm {
  name: string;
  key: string;
  tag: string;
  spec: VmSpec;
  placement: Placement;
}

export interface PlanInput {
  stack: string;
  pool?: string;
  vms: Record<string, VmArgs>;
  allowMoves: readonly string[];
}

interface Member {
  name: string;
  key: string;
  tag: string;
  spec: VmSpec;
  home: KnownHome;
  request: PlacementRequest;
}

/** @throws SynthError with everything that stands against it; nothing is promised then */
export function planVms(federation: Federation, input: PlanInput): PlannedVm[] {
  const members = readMembers(federation, input);
  const plan = placeMany(
    members.map(({ request }) => request),
    federation.inventory,
    { promised: federation.promised },
  );
  const homeless = plan.decisions.flatMap(({ outcome, name, message }) => (outcome === "rejected" ? [`${name}: ${message}`] : []));
  if (homeless.length > 0) throw new SynthError("PLACEMENT", homeless);
  const planned = members.map((member, index) => ({ ...member, placement: plan.decisions[index]!.placement! }));
  const moves = planned.flatMap(({ name, home, placement }, index) =>
    input.allowMoves.includes(name) ? [] : moveFindings(name, home, placement, plan.decisions[index]!.moveReason),
  );
  if (moves.length > 0) throw new SynthError("MOVE", moves);
  for (const { key, request, placement } of planned) federation.decide(key, { request, placement });
  return planned.map(({ name, key, tag, spec, placement }) => ({ name, key, tag, spec, placement }));
}

function readMembers(federation: Federation, { stack, pool: poolName, vms, allowMoves }: PlanInput): Member[] {
  const pool = poolOf(federation, poolName);
  const findings = allowMoves.flatMap((name) => (name in vms ? [] : [`allowMoves names ${name}, which is not declared.`]));
  const members = Object.entries(vms).flatMap(([name, args]): Member[] => {
    if (!/^[A-Za-z][A-Za-z0-9-]*$/.test(name)) {
      findings.push(`"${name}" cannot be part of a Terraform address: begin with a letter, then letters, digits and "-".`);
      return [];
    }
    const parsed = vmSchema.safeParse({ name, ...args, pool: pool.name });
    if (!parsed.success) {
      findings.push(...toFailures(parsed.error).map(({ property, reason }) => `${name}: ${property}: ${reason}`));
      return [];
    }
    findings.push(...unsupported(name, parsed.data));
    const key = vmKey(stack, name);
    const tag = terraformTag(federation.declared.name, key);
    const home = federation.homeOf(key, tag);
    if (home.twins) findings.push(twinFinding(name, tag, home.twins));
    return [{ name, key, tag, spec: parsed.data, home, request: toRequest(parsed.data, pool, tag, home.prior) }];
  });
  if (findings.length > 0) throw new SynthError("INPUT", findings);
  return members;
}

function poolOf(federation: Federation, name: string | undefined): ResourcePool {
  const { resourcePools, defaultPool } = federation.declared;
  const wanted = name ?? defaultPool;
  const pool = resourcePools.find((candidate) => candidate.name === wanted);
  if (pool) return pool;
  const known = resourcePools.map((candidate) => candidate.name).join(", ") || "none";
  throw new SynthError("INPUT", [
    wanted === undefined
      ? `pool is missing. Name one of ${known}, or set federation.default_pool.`
      : `There is no pool ${wanted}. The federation file declares ${known}.`,
  ]);
}

function unsupported(name: string, spec: VmSpec): string[] {
  const adopt = spec.adopt ? [`${name}: adopt is for Pulumi programs. Use "terraform import" with the address of the VM.`] : [];
  const force = spec.shutdown.force ? [`${name}: shutdown.force has no counterpart in the Terraform provider. Leave it out.`] : [];
  return [...adopt, ...force];
}

function twinFinding(name: string, tag: string, twins: readonly Placement[]): string {
  const places = twins.map(({ cluster, node }) => `${cluster}/${node}`).join(" and ");
  return `${name}: guests on ${places} carry its tag ${tag}, and the lock file does not say which one it is. Remove the tag from the copy.`;
}

function moveFindings(name: string, { prior, conflict }: KnownHome, placement: Placement, reason = "it has to leave"): string[] {
  if (conflict)
    return [
      `${name} is on cluster ${conflict.live}, but the lock file says ${conflict.locked}. If it was moved without Terraform (federate migrate), take its old address out of the state (terraform state rm), import it at the new one, and remove its entry from the lock file. If a move was synthesized and never applied, remove the entry.`,
    ];
  if (!prior || prior.cluster === placement.cluster) return [];
  return [
    `${name} would move from cluster ${prior.cluster} to ${placement.cluster}: ${reason}. Terraform cannot move a VM between clusters: it destroys it on ${prior.cluster} and creates an empty one on ${placement.cluster}, and its data is lost. To move it with its data use "federate migrate" or a Pulumi program. If its data may go, add allowMoves: ["${name}"].`,
  ];
}
