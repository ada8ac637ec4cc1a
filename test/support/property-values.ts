import { Struct } from "google-protobuf/google/protobuf/struct_pb";

/** What stands for a value that is not known yet; only in a preview. */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** A value the engine encrypts in the state and sends to the provider in plain text. */
export class Secret {
  constructor(readonly value: PropertyValue) {}

  /** What the engine writes into the state; the text itself stays out of it, so that a test can search for it. */
  toJSON(): unknown {
    return { [signatureKey]: secretSignature, ciphertext: "(encrypted)" };
  }
}

export type PropertyValue = null | boolean | number | string | Secret | PropertyValue[] | PropertyMap;
export interface PropertyMap {
  [key: string]: PropertyValue;
}

/** Marks a program's value as secret. */
export function secret(value: PropertyValue): Secret {
  return new Secret(value);
}

/**
 * Encodes properties for a provider that does not accept secrets, as the dynamic one does not.
 * Throws where a value has no place in the protocol, naming its path.
 */
export function encodeProperties(properties: PropertyMap): Struct {
  return Struct.fromJavaScript(toPlain(properties, "") as Record<string, never>);
}

/** Decodes what a provider returned. A provider may wrap a value to make it a secret. */
export function decodeProperties(struct: Struct | undefined): PropertyMap {
  return fromPlain(struct?.toJavaScript() ?? {}) as PropertyMap;
}

/** The path of the first unknown value, or undefined. */
export function findUnknown(value: PropertyValue, path = ""): string | undefined {
  if (value === unknownValue) return path;
  if (value instanceof Secret) return findUnknown(value.value, path);
  if (value === null || typeof value !== "object") return undefined;
  for (const [key, item] of Object.entries(value)) {
    const found = findUnknown(item, path ? `${path}.${key}` : key);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Marks as secret in `outs` what is secret at the same path in `ins`; the engine does no more for a dynamic provider. */
export function annotateSecrets(outs: PropertyMap, ins: PropertyMap): PropertyMap {
  const annotated: PropertyMap = { ...outs };
  for (const [key, inValue] of Object.entries(ins)) {
    const outValue = outs[key];
    if (outValue === undefined) continue;
    if (isMap(outValue) && isMap(inValue)) annotated[key] = annotateSecrets(outValue, inValue);
    else if (!(outValue instanceof Secret) && containsSecret(inValue)) annotated[key] = new Secret(outValue);
  }
  return annotated;
}

function toPlain(value: unknown, path: string): unknown {
  if (value instanceof Secret) return toPlain(value.value, path);
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item, index) => toPlain(item, `${path}[${index}]`));
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toPlain(item, path ? `${path}.${key}` : key)]));
  }
  throw new Error(`The engine cannot hold ${String(value)} (${typeof value}) at "${path}".`);
}

function fromPlain(value: unknown): PropertyValue {
  if (Array.isArray(value)) return value.map(fromPlain);
  if (value === null || typeof value !== "object") return value as PropertyValue;
  const map = value as Record<string, unknown>;
  if (map[signatureKey] === secretSignature) return new Secret(fromPlain(map.value));
  return Object.fromEntries(Object.entries(map).map(([key, item]) => [key, fromPlain(item)]));
}

function containsSecret(value: PropertyValue): boolean {
  if (value instanceof Secret) return true;
  if (value === null || typeof value !== "object") return false;
  return Object.values(value).some(containsSecret);
}

function isMap(value: PropertyValue): value is PropertyMap {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Secret);
}
