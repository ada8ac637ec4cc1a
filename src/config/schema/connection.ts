import { z } from "zod";
import { duration, environmentVariable, inlineSecret, literalSecret, pulumiKey, refined, secretFile, text, ValueError } from "./scalars";

const DEFAULT_PORT = "8006";
const BACKUP_SERVER_PORT = "8007";

/** https://host:port. The path `/api2/json`, which other tools want, is accepted and dropped. */
export const apiUrl = (defaultPort = DEFAULT_PORT) =>
  refined(z.string().min(1, "must not be empty"), (value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    const example = `Write https://host:${defaultPort}.`;
    // Never quoted: it may hold `user:password@`.
    if (!url) throw new ValueError("is not a URL", example);
    if (url.username || url.password)
      throw new ValueError("a URL must not hold a user name or password", "Use `username` with `password_env`, or a token.");
    if (url.protocol !== "https:")
      throw new ValueError(`the URL begins with ${url.protocol}//, but Proxmox is reached over https only`, example);
    if (!/^\/(api2(\/json)?\/?)?$/.test(url.pathname) || url.search || url.hash)
      throw new ValueError("the URL has a path", `${example} The API path is added by itself.`);
    // URL drops an explicit :443, which is how a reverse proxy in front of Proxmox is named.
    const explicitHttpsPort = /^https:\/\/[^/?#]*:443(\/|$)/i.test(value);
    return `https://${url.hostname}:${url.port || (explicitHttpsPort ? "443" : defaultPort)}`;
  });

/** Each node of a cluster has a certificate of its own: several fingerprints may stand behind each other. */
const fingerprint = () =>
  refined(z.string().min(1, "must not be empty"), (value) => {
    const fingerprints = value.split(/[\s,]+/).filter((part) => part !== "");
    if (!fingerprints.every((part) => /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/i.test(part)))
      throw new ValueError(
        "is not a SHA-256 fingerprint",
        "Write its 32 hexadecimal pairs joined by colons, as `pvenode cert info` shows them; several, one per node, with commas between them.",
      );
    return fingerprints.join(",").toUpperCase();
  });

/** `user@realm!name`. Never quoted: people paste `user@realm!name=secret` here. */
export const tokenId = () =>
  refined(z.string().min(1, "must not be empty"), (value) => {
    if (/=/.test(value))
      throw new ValueError(
        "holds more than the token id",
        "Write user@realm!name here and move the secret behind the `=` to `token_secret_env`, `token_secret_file` or `token_secret_config`.",
      );
    if (!/^[^\s:/!]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+$/.test(value))
      throw new ValueError("is not a token id", "Write user@realm!name, for example automation@pve!federation.");
    return value;
  });

export const username = () =>
  refined(z.string().min(1, "must not be empty"), (value) => {
    if (!/^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$/.test(value))
      throw new ValueError("is not a user name with realm", "Write user@realm, for example root@pam.");
    return value;
  });

/** Where the secret is; the same keys under `connection` and, for entries of a CSI cloud-config, beside `url`. */
export const credentialKeys = {
  token_id: tokenId().optional().describe("API token, user@realm!name."),
  token_id_file: secretFile().optional().describe("File that holds the token id (CSI cloud-config)."),
  token_secret_env: environmentVariable().optional().describe("Environment variable that holds the token's secret."),
  token_secret_file: secretFile().optional().describe("File that holds the token's secret; relative to federation.yaml."),
  token_secret_config: pulumiKey().optional().describe("Key of the Pulumi secret configuration that holds the token's secret."),
  username: username().optional().describe("user@realm, for a login with password."),
  password_env: environmentVariable().optional().describe("Environment variable that holds the password."),
  password_file: secretFile().optional().describe("File that holds the password; relative to federation.yaml."),
  password_config: pulumiKey().optional().describe("Key of the Pulumi secret configuration that holds the password."),
  token_secret: literalSecret("token_secret").describe("Refused: secrets do not belong in this file."),
  password: literalSecret("password").describe("Refused: secrets do not belong in this file."),
};

/** Those of an entry of a CSI cloud-config, which may hold the secret itself: one file serves the plugin and us. */
export const cloudConfigCredentialKeys = {
  ...credentialKeys,
  token_secret: inlineSecret().describe("CSI cloud-config: the token's secret itself; better `token_secret_file`."),
  password: inlineSecret().describe("CSI cloud-config: the password itself; better `password_file`."),
};

export const connection = z.strictObject({
  api_url: apiUrl().optional().describe("https://host:port of one node; without a port 8006."),
  api_urls: z.array(apiUrl()).min(1, "must name at least one URL").optional().describe("Several nodes, tried in order."),
  ...credentialKeys,
  fingerprint: fingerprint().optional().describe("SHA-256 fingerprints of the nodes' certificates, with commas between them; pins them."),
  ca_file: text().optional().describe("PEM file of the certificate authority; relative to federation.yaml."),
  verify_ssl: z.boolean().optional().describe("Default true. false trusts any certificate."),
  connection_timeout: duration().optional().describe("Time to connect; a bare number is in seconds. Default 10s."),
  request_timeout: duration().optional().describe("Time for one call; a bare number is in seconds. Default 60s."),
});
export type ConnectionFile = z.output<typeof connection>;

/** The API of a Proxmox Backup Server, for what the clusters cannot ask it: syncing with another one. */
export const backupServerApi = z.strictObject({
  url: apiUrl(BACKUP_SERVER_PORT).describe("https://host:port; without a port 8007."),
  ...credentialKeys,
  fingerprint: fingerprint().optional().describe("SHA-256 fingerprint of the server's certificate; pins it."),
  ca_file: text().optional().describe("PEM file of the certificate authority; relative to federation.yaml."),
  verify_ssl: z.boolean().optional().describe("Default true. false trusts any certificate."),
  datastore: text().optional().describe("Datastore on the server. Default: that of the clusters' storages."),
  namespace: text().optional().describe("Namespace in it. Default: that of the cluster's storage."),
});
export type BackupServerApiFile = z.output<typeof backupServerApi>;
