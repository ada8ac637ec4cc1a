/** Property strings (`file,key=value,…`): parsing and verification with Proxmox's words. */

export interface Property {
  type: "string" | "integer" | "number" | "boolean";
  optional?: boolean;
  /** A part without `key=` is this property. */
  defaultKey?: boolean;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  pattern?: RegExp;
  /** Error text of a bad value, or undefined. */
  format?: (value: string) => string | undefined;
  requires?: string;
}

export interface PropertySchema {
  properties: Readonly<Record<string, Property>>;
  /** Other name → property. */
  aliases?: Readonly<Record<string, string>>;
  /** A key that is itself a value: `virtio=<mac>` means `model=virtio,macaddr=<mac>`. */
  keyAlias?: { keys: readonly string[]; key: string; value: string };
}

/** Thrown for a text that does not fit its schema; the message is Proxmox's. */
export class PropertyError extends Error {}

const unknownProperty = "property is not defined in schema and the schema does not allow additional properties";

/** Throws {@link PropertyError}; `path` goes in front of each property's error. */
export function parsePropertyString(schema: PropertySchema, text: string, path = ""): Record<string, string> {
  const values: Record<string, string> = {};
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const pair = /^([^=]+)=(.+)$/s.exec(part);
    if (pair) setPair(schema, values, pair[1]!, pair[2]!);
    else if (part.includes("=")) throw new PropertyError("missing key in comma-separated list property");
    else setDefault(schema, values, part);
  }
  const errors = verify(schema, values, path === "" ? "" : `${path}.`);
  if (errors.length > 0) throw new PropertyError(["format error", ...errors.sort()].join("\n"));
  return values;
}

/** A parameter's `format` for a property string. */
export function propertyStringFormat(schema: PropertySchema, path: string): (text: string) => string | undefined {
  return (text) => {
    try {
      parsePropertyString(schema, text, path);
      return undefined;
    } catch (error) {
      if (error instanceof PropertyError) return error.message;
      throw error;
    }
  };
}

/** `key=value` pairs in the given order of keys, the rest sorted; the default key is written without name. */
export function printPropertyString(schema: PropertySchema, values: Readonly<Record<string, string>>): string {
  const keys = Object.keys(values).sort((a, b) => rank(schema, a) - rank(schema, b) || (a < b ? -1 : 1));
  return keys.map((key) => (schema.properties[key]?.defaultKey ? values[key] : `${key}=${values[key]}`)).join(",");
}

const rank = (schema: PropertySchema, key: string) => (schema.properties[key]?.defaultKey ? 0 : 1);

function setPair(schema: PropertySchema, values: Record<string, string>, name: string, value: string): void {
  if (values[name] !== undefined) throw new PropertyError(`duplicate key in comma-separated list property: ${name}`);
  const { keyAlias } = schema;
  if (keyAlias?.keys.includes(name)) {
    if (values[keyAlias.key] !== undefined) throw new PropertyError(`key alias '${keyAlias.key}' is already defined`);
    values[keyAlias.key] = name;
    values[keyAlias.value] = value;
    return;
  }
  const key = schema.aliases?.[name] ?? name;
  values[key] = normalize(schema.properties[key], value);
}

function setDefault(schema: PropertySchema, values: Record<string, string>, part: string): void {
  const key = Object.entries(schema.properties).find(([, property]) => property.defaultKey)?.[0];
  if (key === undefined) throw new PropertyError("value without key, but schema does not define a default key");
  if (values[key] !== undefined) throw new PropertyError(`duplicate key in comma-separated list property: ${key}`);
  values[key] = normalize(schema.properties[key], part);
}

function normalize(property: Property | undefined, value: string): string {
  if (property?.type !== "boolean") return value;
  if (/^(1|on|yes|true)$/i.test(value)) return "1";
  return /^(0|off|no|false)$/i.test(value) ? "0" : value;
}

function verify(schema: PropertySchema, values: Record<string, string>, path: string): string[] {
  const errors: string[] = [];
  for (const [key, value] of Object.entries(values)) {
    const property = schema.properties[key];
    const error = property ? verifyValue(property, value) : unknownProperty;
    if (error !== undefined) errors.push(`${path}${key}: ${error}`);
    if (property?.requires && values[property.requires] === undefined) {
      errors.push(`${path}${property.requires}: missing property required by '${path}${key}'`);
    }
  }
  for (const [key, property] of Object.entries(schema.properties)) {
    if (!property.optional && values[key] === undefined) errors.push(`${path}${key}: property is missing and it is not optional`);
  }
  return errors;
}

const typePatterns = { boolean: /^[01]$/, integer: /^[+-]?\d+$/, number: /^[+-]?(\d+(\.\d*)?|\.\d+)$/ };

function verifyValue(property: Property, value: string): string | undefined {
  if (property.type !== "string" && !typePatterns[property.type].test(value))
    return `type check ('${property.type}') failed - got '${value}'`;
  const format = property.format?.(value);
  if (format !== undefined) return `invalid format - ${format}\n`;
  if (property.pattern && !property.pattern.test(value)) return "value does not match the regex pattern";
  if (property.maxLength !== undefined && value.length > property.maxLength)
    return `value may only be ${property.maxLength} characters long`;
  if (property.maximum !== undefined && Number(value) > property.maximum) return `value must have a maximum value of ${property.maximum}`;
  if (property.minimum !== undefined && Number(value) < property.minimum) return `value must have a minimum value of ${property.minimum}`;
  if (property.enum && !property.enum.includes(value)) {
    return `value '${value}' does not have a value in the enumeration '${property.enum.join(", ")}'`;
  }
  return undefined;
}
