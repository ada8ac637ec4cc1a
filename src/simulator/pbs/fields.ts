/** Parameter rules that many calls share. */
import type { ParameterRule } from "../kernel";

const safeId = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const text: ParameterRule = { type: "string" };

export const optionalText: ParameterRule = { type: "string", optional: true };
export const optionalFlag: ParameterRule = { type: "boolean", optional: true };
export const optionalList: ParameterRule = { type: "list", optional: true };
export const optionalCount: ParameterRule = { type: "integer", optional: true, minimum: 0 };

export const store: ParameterRule = { ...text, pattern: safeId, minLength: 3, maxLength: 32 };
export const id: ParameterRule = { ...text, pattern: safeId, minLength: 3, maxLength: 32 };
export const node: ParameterRule = text;
/** Up to seven names with slashes between them; empty for the root. */
export const ns: ParameterRule = { ...optionalText, pattern: /^([A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*){0,7})?$/ };
export const backupType: ParameterRule = { ...text, enum: ["vm", "ct", "host"] };
export const backupId: ParameterRule = { ...text, pattern: safeId };
export const backupTime: ParameterRule = { type: "integer", minimum: 1 };

export const group = { "backup-type": backupType, "backup-id": backupId };
export const snapshot = { ...group, "backup-time": backupTime };

export function optional(rule: ParameterRule): ParameterRule {
  return { ...rule, optional: true };
}
