/** Reads secrets from where the file says they are, when a connection is made. They are never part of the model. */
import { isAbsolute, join } from "node:path";
import { CredentialError } from "./errors";
import type { BackupStore, Cluster, CredentialSource, Credentials, SecretSource } from "./model";
import { tokenId as tokenIdSchema } from "./schema/connection";

/** Everything secrets may come from, passed in so that nothing here reads the process or the disk by itself. */
export interface CredentialEnvironment {
  environment: Record<string, string | undefined>;
  readFile: (path: string) => Promise<string>;
  /** Reads Pulumi secret configuration; absent outside a Pulumi program. */
  pulumiSecret?: (key: string) => string | undefined;
  /** Folder relative file names start from: that of federation.yaml. */
  baseDir: string;
}

/**
 * The cluster's credentials with their secret.
 * @throws CredentialError that names the variable, file or key, and never a value.
 */
export async function resolveCredentials(cluster: Cluster, env: CredentialEnvironment): Promise<Credentials> {
  const source = cluster.connection?.credentials;
  if (!source)
    throw new CredentialError(
      "NO_CONNECTION",
      `cluster \`${cluster.id}\` has no connection: add \`connection\` to it in federation.yaml`,
      cluster.id,
    );
  return readCredentials({ label: `cluster \`${cluster.id}\``, cluster: cluster.id }, source, env);
}

/**
 * The credentials for a backup store's own API.
 * @throws CredentialError that names the variable, file or key, and never a value.
 */
export async function resolveBackupServerCredentials(store: BackupStore, env: CredentialEnvironment): Promise<Credentials> {
  const label = `backup store \`${store.name}\``;
  if (!store.api) throw new CredentialError("NO_CONNECTION", `${label} has no \`api\`: add it in federation.yaml`);
  return readCredentials({ label }, store.api.credentials, env);
}

/** Whose credentials they are. */
interface Subject {
  /** How messages begin. */
  label: string;
  cluster?: string;
}

async function readCredentials(subject: Subject, source: CredentialSource, env: CredentialEnvironment): Promise<Credentials> {
  const read = (secret: SecretSource, key: string) => readSecret(subject, secret, key, env);
  if (source.kind === "password") return { kind: "password", username: source.username, password: await read(source.password, "password") };
  const tokenId = source.tokenIdFile === undefined ? source.tokenId : await readTokenId(subject, source.tokenIdFile, env);
  const secret = await read(source.secret, "token_secret");
  if (/[!=\s]/.test(secret)) {
    throw new CredentialError(
      "CREDENTIAL_INVALID",
      `${subject.label}: ${describe(source.secret)} does not hold a token secret. Put only the secret in it, without \`user@realm!name=\` and without spaces`,
      subject.cluster,
    );
  }
  return { kind: "token", tokenId, secret };
}

/**
 * Text of a PEM certificate file.
 * @throws CredentialError that names the file
 */
export async function readCaFile(path: string, env: Pick<CredentialEnvironment, "readFile" | "baseDir" | "environment">): Promise<string> {
  const text = await readNamedFile(path, env, `certificate file ${path}`);
  if (!text.includes("-----BEGIN CERTIFICATE-----")) {
    throw new CredentialError(
      "CREDENTIAL_INVALID",
      `certificate file ${path} holds no PEM certificate. Use the cluster's /etc/pve/pve-root-ca.pem`,
    );
  }
  return text;
}

async function readTokenId(subject: Subject, path: string, env: CredentialEnvironment): Promise<string> {
  const text = (await readNamedFile(path, env, `file ${path} (\`token_id_file\`)`, subject)).trim();
  if (!tokenIdSchema().safeParse(text).success) {
    throw new CredentialError(
      "CREDENTIAL_INVALID",
      `${subject.label}: file ${path} (\`token_id_file\`) holds no token id. Write user@realm!name into it`,
      subject.cluster,
    );
  }
  return text;
}

async function readSecret(subject: Subject, source: SecretSource, key: string, env: CredentialEnvironment): Promise<string> {
  const value = await readRaw(subject, source, key, env);
  // Files and `export X=$(cat …)` end with a line break that belongs to nobody.
  const secret = value.replace(/[\r\n]+$/, "");
  if (secret === "")
    throw new CredentialError(
      "CREDENTIAL_MISSING",
      `${subject.label}: ${describe(source)} is empty. Put the ${words(key)} into it`,
      subject.cluster,
    );
  if (hasControlCharacter(secret))
    throw new CredentialError(
      "CREDENTIAL_INVALID",
      `${subject.label}: ${describe(source)} holds line breaks or control characters. Put only the ${words(key)} into it`,
      subject.cluster,
    );
  return secret;
}

async function readRaw(subject: Subject, source: SecretSource, key: string, env: CredentialEnvironment): Promise<string> {
  switch (source.kind) {
    case "environment": {
      const value = env.environment[source.variable];
      if (value === undefined)
        throw new CredentialError(
          "CREDENTIAL_MISSING",
          `${subject.label}: ${describe(source)} is not set. Set it to the ${words(key)}`,
          subject.cluster,
        );
      return value;
    }
    case "file":
      return readNamedFile(source.path, env, `${describe(source)} (\`${key}_file\`)`, subject);
    case "inline":
      return source.secret.reveal();
    case "pulumi": {
      if (!env.pulumiSecret) {
        throw new CredentialError(
          "CREDENTIAL_MISSING",
          `${subject.label}: ${describe(source)} can be read by a Pulumi program only. Use \`${key}_env\` or \`${key}_file\` outside of one`,
          subject.cluster,
        );
      }
      const value = env.pulumiSecret(source.key);
      if (value === undefined)
        throw new CredentialError(
          "CREDENTIAL_MISSING",
          `${subject.label}: ${describe(source)} is not set. Run \`pulumi config set --secret ${source.key}\``,
          subject.cluster,
        );
      return value;
    }
  }
}

async function readNamedFile(
  path: string,
  env: Pick<CredentialEnvironment, "readFile" | "baseDir" | "environment">,
  what: string,
  subject?: Subject,
): Promise<string> {
  try {
    return await env.readFile(resolvePath(path, env));
  } catch (error) {
    const prefix = subject === undefined ? "" : `${subject.label}: `;
    const reason = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new CredentialError(
      "CREDENTIAL_UNREADABLE",
      `${prefix}${what} cannot be read (${reason}). Relative names start from ${env.baseDir}`,
      subject?.cluster,
    );
  }
}

function resolvePath(path: string, env: Pick<CredentialEnvironment, "baseDir" | "environment">): string {
  const home = env.environment.HOME ?? env.environment.USERPROFILE;
  if (path.startsWith("~/") && home !== undefined) return join(home, path.slice(2));
  return isAbsolute(path) ? path : join(env.baseDir, path);
}

function describe(source: SecretSource): string {
  switch (source.kind) {
    case "environment":
      return `environment variable ${source.variable}`;
    case "file":
      return `file ${source.path}`;
    case "pulumi":
      return `Pulumi configuration key ${source.key}`;
    case "inline":
      return "the secret in the federation file";
  }
}

function words(key: string): string {
  return key === "password" ? "password" : "token's secret";
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < " " || character === "\u007f");
}
