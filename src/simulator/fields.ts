/** Parameter rules that many calls share. */
import { groupidFormat, nodeFormat, poolFormat, storageFormat, tokenidFormat, tokenNamePattern, useridFormat, vmidFormat } from "./formats";
import type { ParameterRule } from "./kernel";

const text: ParameterRule = { type: "string" };

export const node: ParameterRule = { type: "string", format: nodeFormat };
export const vmid: ParameterRule = { type: "integer", format: vmidFormat };
export const storage: ParameterRule = { type: "string", format: storageFormat };
export const poolid: ParameterRule = { type: "string", format: poolFormat };
export const userid: ParameterRule = { type: "string", format: useridFormat, maxLength: 64 };
export const tokenid: ParameterRule = { type: "string", pattern: tokenNamePattern };
export const fullTokenid: ParameterRule = { type: "string", format: tokenidFormat };
export const groupid: ParameterRule = { type: "string", format: groupidFormat };
export const comment: ParameterRule = { type: "string", optional: true };
/** Seconds since the epoch, 0 = never. */
export const expire: ParameterRule = { type: "integer", minimum: 0, optional: true };
export const flag: ParameterRule = { type: "boolean", optional: true };

export function optional(rule: ParameterRule = text): ParameterRule {
  return { ...rule, optional: true };
}

export function listOf(rule: ParameterRule): ParameterRule {
  return { ...rule, type: "list", optional: true };
}
