import type { HiddenSecret } from "../hidden-secret";
import type { BackupServerConnection, Connection, CredentialSource, SecretSource } from "../model";
import type { ClusterFile } from "../schema/cluster";
import type { BackupServerApiFile, ConnectionFile } from "../schema/connection";

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_REQUEST_TIMEOUT_MS = 60_000;

type CredentialKeys = Pick<
  ConnectionFile,
  | "token_id"
  | "token_id_file"
  | "token_secret_env"
  | "token_secret_file"
  | "token_secret_config"
  | "username"
  | "password_env"
  | "password_file"
  | "password_config"
> & { token_secret?: HiddenSecret; password?: HiddenSecret };

/** Of a checked cluster. `undefined`: neither `connection` nor the CSI plugin's `url`. */
export function toConnection(cluster: ClusterFile): Connection | undefined {
  const { connection } = cluster;
  if (connection) {
    const { fingerprint, ca_file: caFile } = connection;
    return {
      apiUrls: connection.api_urls ?? [connection.api_url!],
      credentials: toCredentialSource(connection),
      // A pinned fingerprint is always checked; `verify_ssl: false` beside it was warned about.
      tls: { fingerprint, caFile, verify: fingerprint !== undefined || (connection.verify_ssl ?? true) },
      connectTimeoutMs: connection.connection_timeout ?? DEFAULT_CONNECT_TIMEOUT_MS,
      requestTimeoutMs: connection.request_timeout ?? DEFAULT_REQUEST_TIMEOUT_MS,
    };
  }
  if (cluster.url === undefined) return undefined;
  return {
    apiUrls: [cluster.url],
    credentials: toCredentialSource(cluster),
    tls: { verify: !cluster.insecure },
    connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
    requestTimeoutMs: DEFAULT_REQUEST_TIMEOUT_MS,
  };
}

export function toBackupServerConnection(api: BackupServerApiFile): BackupServerConnection {
  const { url, fingerprint, ca_file: caFile, datastore, namespace } = api;
  return {
    url,
    credentials: toCredentialSource(api),
    tls: { fingerprint, caFile, verify: fingerprint !== undefined || (api.verify_ssl ?? true) },
    connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
    requestTimeoutMs: DEFAULT_REQUEST_TIMEOUT_MS,
    ...(datastore === undefined ? {} : { datastore }),
    ...(namespace === undefined ? {} : { namespace }),
  };
}

function toCredentialSource(keys: CredentialKeys): CredentialSource {
  if (keys.username !== undefined) {
    return {
      kind: "password",
      username: keys.username,
      password: toSecretSource(keys.password_env, keys.password_file, keys.password_config, keys.password),
    };
  }
  return {
    kind: "token",
    tokenId: keys.token_id ?? "",
    ...(keys.token_id_file === undefined ? {} : { tokenIdFile: keys.token_id_file }),
    secret: toSecretSource(keys.token_secret_env, keys.token_secret_file, keys.token_secret_config, keys.token_secret),
  };
}

/** The checks made sure that exactly one is given. */
function toSecretSource(variable?: string, path?: string, key?: string, inline?: HiddenSecret): SecretSource {
  if (variable !== undefined) return { kind: "environment", variable };
  if (path !== undefined) return { kind: "file", path };
  return inline === undefined ? { kind: "pulumi", key: key! } : { kind: "inline", secret: inline };
}
