/** The federation file of a Pulumi program, where a component needs to know it: the same one the resources read. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { type CredentialEnvironment, type Federation, parseFederation } from "../../config";

export interface ProgramFederation {
  federation: Federation;
  environment: CredentialEnvironment;
}

/**
 * At once and not in a promise: which objects a component registers follows from the file.
 * @throws FederationConfigError with every finding
 */
export function readProgramFederation(): ProgramFederation {
  const config = new pulumi.Config("proxmox-federation");
  const file = path.resolve(config.get("file") ?? process.env.FEDERATION_CONFIG ?? "federation.yaml");
  const { federation } = parseFederation(readText(file), file);
  const environment: CredentialEnvironment = {
    environment: process.env,
    readFile: (name) => readFile(name, "utf8"),
    pulumiSecret: (key) => config.get(key),
    baseDir: path.dirname(file),
  };
  return { federation, environment };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(
      `The federation file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}). Name it: pulumi config set proxmox-federation:file <file>.`,
      { cause: error },
    );
  }
}
