/** One leaked credential should open one cluster only. */
import type { ClusterFile } from "../schema/cluster";
import type { CheckInput } from "./input";

export function checkSharedCredentials({ file, findings }: CheckInput): void {
  const seen = new Map<string, string>();
  for (const [index, cluster] of (file.clusters ?? []).entries()) {
    const nested = cluster.connection !== undefined;
    const name = cluster.id ?? cluster.region ?? `number ${index + 1}`;
    for (const { key, use, what } of usesOf(cluster)) {
      const other = seen.get(use);
      if (other !== undefined) {
        findings.warning(
          ["clusters", index, ...(nested ? ["connection"] : []), key],
          `${what} is also used by cluster \`${other}\``,
          "Give each cluster credentials of its own.",
        );
      } else seen.set(use, name);
    }
  }
}

function usesOf(cluster: ClusterFile): { key: string; use: string; what: string }[] {
  const credentials = cluster.connection ?? cluster;
  const uses: { key: string; use: string; what: string }[] = [];
  for (const key of ["token_secret_env", "password_env"] as const) {
    const variable = credentials[key];
    if (variable !== undefined) uses.push({ key, use: `env ${variable}`, what: `environment variable ${variable}` });
  }
  for (const key of ["token_secret_file", "password_file"] as const) {
    const path = credentials[key];
    if (path !== undefined) uses.push({ key, use: `file ${path}`, what: `file ${path}` });
  }
  for (const key of ["token_secret_config", "password_config"] as const) {
    const configKey = credentials[key];
    if (configKey !== undefined) uses.push({ key, use: `config ${configKey}`, what: `Pulumi configuration key ${configKey}` });
  }
  const urls = cluster.connection
    ? (cluster.connection.api_urls ?? (cluster.connection.api_url ? [cluster.connection.api_url] : []))
    : cluster.url
      ? [cluster.url]
      : [];
  const login = credentials.token_id ?? credentials.username;
  const loginKey = credentials.token_id === undefined ? "username" : "token_id";
  // Two entries for the same host are one cluster declared twice.
  if (login !== undefined)
    for (const url of new Set(urls)) uses.push({ key: loginKey, use: `login ${login} ${url}`, what: `${loginKey} ${login} at ${url}` });
  return uses;
}
