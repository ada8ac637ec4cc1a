/** Parameter verification with Proxmox's words. Values become what the table says; errors are collected. */
import { ApiError, type ParameterRule, type ParameterTable } from "./kernel";
import type { Era } from "./state";

export type RawParameters = Record<string, unknown>;
export type Parameters = Record<string, string | number | boolean | string[]>;

const unknownProperty = "property is not defined in schema and the schema does not allow additional properties";

/** Throws `400 Parameter verification failed.` with one text per bad parameter; one text has another wording up to 8. */
export function verifyParameters(table: ParameterTable, raw: RawParameters, era: Era = "9.2"): Parameters {
  const errors: Record<string, string> = {};
  const values: Parameters = {};
  for (const [key, value] of Object.entries(raw)) {
    if (value === null || value === undefined) continue;
    const rule = findRule(table, key);
    if (!rule) {
      errors[key] = unknownProperty;
      continue;
    }
    const checked = checkValue(rule, value);
    if (typeof checked === "object" && "error" in checked) errors[key] = checked.error;
    else values[key] = checked.value;
    if (rule.requires && (raw[rule.requires] === undefined || raw[rule.requires] === null)) {
      errors[rule.requires] =
        era === "8.4" ? `missing property - '${key}' requires this property` : `missing property required by '${key}'`;
    }
  }
  for (const [key, rule] of Object.entries(table)) {
    if (key in values || key in errors || rule.family !== undefined) continue;
    if (rule.default !== undefined) values[key] = rule.default;
    else if (!rule.optional) errors[key] = "property is missing and it is not optional";
  }
  if (Object.keys(errors).length > 0) throw new ApiError(400, "Parameter verification failed.", errors);
  return values;
}

/** The rule for a key; `net3` finds `net[n]` when the family goes that far. */
export function findRule(table: ParameterTable, key: string): ParameterRule | undefined {
  if (Object.hasOwn(table, key)) return table[key];
  const member = /^(.*?)(0|[1-9]\d*)$/.exec(key);
  if (!member) return undefined;
  const family = table[`${member[1]}[n]`];
  return family?.family !== undefined && Number(member[2]) < family.family ? family : undefined;
}

type Checked = { value: string | number | boolean | string[] } | { error: string };

function checkValue(rule: ParameterRule, value: unknown): Checked {
  if (rule.type === "list") return checkList(rule, value);
  if (Array.isArray(value)) return { error: `type check ('${rule.type}') failed - got ARRAY` };
  if (typeof value === "object") return { error: `type check ('${rule.type}') failed - got HASH` };
  const text = typeof value === "boolean" ? (value ? "1" : "0") : String(value);
  switch (rule.type) {
    case "boolean": {
      // Words such as `on` are for config files; the API takes digits.
      return text === "0" || text === "1" ? { value: text === "1" } : { error: `type check ('boolean') failed - got '${text}'` };
    }
    case "integer":
    case "number": {
      const shape = rule.type === "integer" ? /^[+-]?\d+$/ : /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
      if (!shape.test(text)) return { error: `type check ('${rule.type}') failed - got '${text}'` };
      const error = checkText(rule, text);
      return error === undefined ? { value: Number(text) } : { error };
    }
    default: {
      const error = checkText(rule, text);
      return error === undefined ? { value: text } : { error };
    }
  }
}

/** In the order of Proxmox's own checks; the first that fails speaks. */
function checkText(rule: ParameterRule, text: string): string | undefined {
  const format = rule.format?.(text);
  if (format !== undefined) return formatError(format);
  if (rule.pattern && !rule.pattern.test(text)) return "value does not match the regex pattern";
  const length = [...text].length;
  if (rule.maxLength !== undefined && length > rule.maxLength) return `value may only be ${rule.maxLength} characters long`;
  if (rule.minLength !== undefined && length < rule.minLength) return `value must be at least ${rule.minLength} characters long`;
  if (rule.type === "integer" || rule.type === "number") {
    if (rule.maximum !== undefined && Number(text) > rule.maximum) return `value must have a maximum value of ${rule.maximum}`;
    if (rule.minimum !== undefined && Number(text) < rule.minimum) return `value must have a minimum value of ${rule.minimum}`;
  }
  if (rule.enum && !rule.enum.includes(text)) return `value '${text}' does not have a value in the enumeration '${rule.enum.join(", ")}'`;
  return undefined;
}

function checkList(rule: ParameterRule, value: unknown): Checked {
  if (typeof value === "object" && !Array.isArray(value)) return { error: "type check ('string') failed - got HASH" };
  const items = Array.isArray(value) ? value.map(String) : splitList(String(value));
  for (const item of items) {
    const format = rule.format?.(item);
    if (format !== undefined) return { error: formatError(format) };
    if (rule.enum && !rule.enum.includes(item)) {
      return { error: `value '${item}' does not have a value in the enumeration '${rule.enum.join(", ")}'` };
    }
  }
  return { value: items };
}

function formatError(text: string): string {
  return `invalid format - ${text}\n`;
}

/** Items of a list parameter: separated by comma, semicolon, white space or NUL. */
export function splitList(text: string): string[] {
  return text.split(/[\0,;\s]+/).filter((item) => item !== "");
}
