import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import {
  type Cluster,
  type CredentialEnvironment,
  CredentialError,
  parseFederation,
  readCaFile,
  resolveCredentials,
} from "../../src/config";

const SECRET = "3f0c9a52-secret";

function clusterWith(connection: string): Cluster {
  return parseFederation(
    `name: t\nclusters:\n  - id: ams\n    connection: { api_url: "https://a:8006", ca_file: ca.pem, ${connection} }\n`,
    "f.yaml",
  ).federation.clusters[0]!;
}

/** Files and variables of a made-up machine. */
function machine(
  given: { environment?: Record<string, string>; files?: Record<string, string>; pulumi?: Record<string, string> } = {},
): CredentialEnvironment {
  return {
    environment: given.environment ?? {},
    readFile: async (path) => {
      const text = given.files?.[path];
      if (text === undefined) throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: "ENOENT" });
      return text;
    },
    ...(given.pulumi ? { pulumiSecret: (key: string) => given.pulumi?.[key] } : {}),
    baseDir: "/srv/iac",
  };
}

async function failure(promise: Promise<unknown>): Promise<CredentialError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CredentialError) return error;
  throw new Error("no credential error");
}

const TOKEN = "token_id: u@pve!ta";
const PASSWORD = "username: root@pam";

describe("a secret is found", () => {
  test.each<[name: string, keys: string, environment: CredentialEnvironment]>([
    ["in an environment variable", "token_secret_env: S", machine({ environment: { S: SECRET } })],
    ["in a variable that ends with a line break", "token_secret_env: S", machine({ environment: { S: `${SECRET}\r\n` } })],
    ["in a file beside federation.yaml", "token_secret_file: secrets/ams", machine({ files: { "/srv/iac/secrets/ams": `${SECRET}\n` } })],
    ["in a file by its full name", "token_secret_file: /run/ams", machine({ files: { "/run/ams": SECRET } })],
    [
      "in a file of the home directory",
      "token_secret_file: ~/ams",
      machine({ environment: { HOME: "/home/me" }, files: { "/home/me/ams": SECRET } }),
    ],
    ["in Pulumi configuration", "token_secret_config: acme:ams", machine({ pulumi: { "acme:ams": SECRET } })],
  ])("%s", async (_name, keys, environment) => {
    expect(await resolveCredentials(clusterWith(`${TOKEN}, ${keys}`), environment)).toEqual({
      kind: "token",
      tokenId: "u@pve!ta",
      secret: SECRET,
    });
  });

  it("for a password, which may hold spaces and signs", async () => {
    const cluster = clusterWith(`${PASSWORD}, password_env: P`);
    expect(await resolveCredentials(cluster, machine({ environment: { P: " a=b! c " } }))).toEqual({
      kind: "password",
      username: "root@pam",
      password: " a=b! c ",
    });
  });

  it("for a token whose id is in a file as well", async () => {
    const cluster = clusterWith("token_id_file: ams.id, token_secret_file: ams.secret");
    const files = { "/srv/iac/ams.id": "csi@pve!csi\n", "/srv/iac/ams.secret": SECRET };
    expect(await resolveCredentials(cluster, machine({ files }))).toEqual({ kind: "token", tokenId: "csi@pve!csi", secret: SECRET });
  });
});

describe("a secret that cannot be had", () => {
  test.each<[name: string, keys: string, environment: CredentialEnvironment, code: string, message: RegExp]>([
    [
      "variable not set",
      `${TOKEN}, token_secret_env: S`,
      machine(),
      "CREDENTIAL_MISSING",
      /cluster `ams`: environment variable S is not set\. Set it to the token's secret/,
    ],
    [
      "variable empty",
      `${PASSWORD}, password_env: P`,
      machine({ environment: { P: "\n" } }),
      "CREDENTIAL_MISSING",
      /environment variable P is empty\. Put the password into it/,
    ],
    [
      "file missing",
      `${TOKEN}, token_secret_file: ams`,
      machine(),
      "CREDENTIAL_UNREADABLE",
      /cluster `ams`: file ams \(`token_secret_file`\) cannot be read \(ENOENT\)\. Relative names start from \/srv\/iac/,
    ],
    [
      "outside of a Pulumi program",
      `${TOKEN}, token_secret_config: k`,
      machine(),
      "CREDENTIAL_MISSING",
      /Pulumi configuration key k can be read by a Pulumi program only\. Use `token_secret_env`/,
    ],
    [
      "Pulumi key not set",
      `${TOKEN}, token_secret_config: k`,
      machine({ pulumi: {} }),
      "CREDENTIAL_MISSING",
      /key k is not set\. Run `pulumi config set --secret k`/,
    ],
    [
      "whole token instead of its secret",
      `${TOKEN}, token_secret_env: S`,
      machine({ environment: { S: `u@pve!ta=${SECRET}` } }),
      "CREDENTIAL_INVALID",
      /environment variable S does not hold a token secret\. Put only the secret in it/,
    ],
    [
      "several lines",
      `${PASSWORD}, password_env: P`,
      machine({ environment: { P: `${SECRET}\nX-Header: 1` } }),
      "CREDENTIAL_INVALID",
      /environment variable P holds line breaks or control characters/,
    ],
    [
      "token id file without an id",
      "token_id_file: id, token_secret_env: S",
      machine({ environment: { S: SECRET }, files: { "/srv/iac/id": SECRET } }),
      "CREDENTIAL_INVALID",
      /file id \(`token_id_file`\) holds no token id/,
    ],
  ])("%s: says which, and not its value", async (_name, keys, environment, code, message) => {
    const error = await failure(resolveCredentials(clusterWith(keys), environment));
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ code, cluster: "ams" });
    expect(`${error.message}${error.stack}`).not.toContain(SECRET);
  });

  it("of a cluster without connection", async () => {
    const cluster = parseFederation("clusters: [{ id: ams }]", "f.yaml").federation.clusters[0]!;
    expect(await failure(resolveCredentials(cluster, machine()))).toMatchObject({ code: "NO_CONNECTION", cluster: "ams" });
  });
});

describe("certificate files", () => {
  const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

  it("are read from beside federation.yaml", async () => {
    expect(await readCaFile("ca.pem", machine({ files: { "/srv/iac/ca.pem": PEM } }))).toBe(PEM);
  });

  it("missing", async () => {
    expect((await failure(readCaFile("ca.pem", machine()))).message).toMatch(/^certificate file ca\.pem cannot be read \(ENOENT\)/);
  });

  it("that hold something else", async () => {
    const error = await failure(readCaFile("ca.pem", machine({ files: { "/srv/iac/ca.pem": "-----BEGIN PRIVATE KEY-----" } })));
    expect(error.code).toBe("CREDENTIAL_INVALID");
    expect(error.message).toMatch(/holds no PEM certificate/);
  });

  it("a directory of the real disk is named with the system's reason", async () => {
    const environment: CredentialEnvironment = {
      environment: {},
      readFile: (path) => readFile(path, "utf8"),
      baseDir: join(__dirname, ".."),
    };
    expect((await failure(readCaFile("config", environment))).message).toMatch(/cannot be read \(EISDIR\)/);
  });
});
