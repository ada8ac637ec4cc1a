/** `target-endpoint`: where the other cluster's API is and the token to use there. */
import type { PeerAddress } from "../../peers";
import { type PropertySchema, parsePropertyString, propertyStringFormat } from "../property-string";

const schema: PropertySchema = {
  properties: {
    host: { type: "string" },
    port: { type: "integer", optional: true },
    apitoken: { type: "string" },
    fingerprint: { type: "string", optional: true, pattern: /^([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}$/ },
  },
};

const defaultPort = 8006;

export const endpointFormat = propertyStringFormat(schema, "target-endpoint");

/** Of a text that has passed {@link endpointFormat}. */
export function parseEndpoint(text: string): PeerAddress {
  const { host = "", port, apitoken = "", fingerprint } = parsePropertyString(schema, text, "target-endpoint");
  return { host, port: Number(port ?? defaultPort), apitoken, ...(fingerprint === undefined ? {} : { fingerprint }) };
}
