/** Parameter rules that many operations share. */
import { nodeFormat, storageFormat, vmidFormat } from "../formats";
import type { Call, ParameterRule } from "../kernel";

export const nodeRule: ParameterRule = { type: "string", format: nodeFormat };
export const vmidRule: ParameterRule = { type: "integer", format: vmidFormat, minimum: 100, maximum: 999_999_999 };
export const storageRule: ParameterRule = { type: "string", format: storageFormat };
export const digestRule: ParameterRule = { type: "string", optional: true, maxLength: 40 };
export const optionalText: ParameterRule = { type: "string", optional: true };
export const optionalFlag: ParameterRule = { type: "boolean", optional: true };
/** KiB per second. */
export const bandwidthRule: ParameterRule = { type: "integer", optional: true, minimum: 0 };

export function optional(rule: ParameterRule): ParameterRule {
  return { ...rule, optional: true };
}

const contentTypes = ["backup", "images", "import", "iso", "none", "rootdir", "snippets", "vztmpl"];

export function contentFormat(value: string): string | undefined {
  return contentTypes.includes(value) ? undefined : `invalid content type '${value}'`;
}

/** Privilege on the storage the path names. */
export function onStorage(...privileges: string[]): (call: Call) => void {
  return (call) => call.requirePrivilege(`/storage/${call.pathVariables.storage}`, privileges, "any");
}
