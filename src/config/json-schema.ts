import { z } from "zod";
import { EXTENSION_PREFIX, federationFile } from "./schema/federation";

/**
 * JSON Schema (draft 7, which YAML language servers read) of `federation.yaml`. Editors complete and check keys
 * with it; sizes, references and everything across keys is checked by the loader only.
 */
export function federationJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(federationFile, { target: "draft-7", io: "input" });
  return { title: "federation.yaml", ...schema, patternProperties: { [`^${EXTENSION_PREFIX}`]: {} } };
}
