/** One leaked credential should open one cluster only, and one cluster should be declared once. */
import type { ClusterFile } from "../schema/cluster";
import type { CheckInput } from "./input";

export function checkSharedCredentials({ file, findings }: CheckInput): void {
  const seen = new Map<string, string>();
  for (const [index, cluster] of (file.clusters ?? []).entries()) {
    const base = cluster.connection === undefined ? ["clusters", index] : ["clusters", index, "connection"];
    const name = cluster.id ?? cluster.region ?? `number ${index + 1}`;
    const reported = new Set<string>();
    for (const use of usesOf(cluster)) {
      const other = seen.get(use.identity);
      seen.set(use.identity, other ?? name);
      if (other === undefined || reported.has(use.place)) continue;
      reported.add(use.place);
      findings.warning([...base, use.key], `${use.what} is also used by cluster \`${other}\``, use.advice);
    }
  }
}

interface Use {
  key: string;
  /** Equal for two clusters that share. */
  identity: string;
  /** What of one place shares is told once. */
  place: string;
  what: string;
  advice: string;
}

const OWN_CREDENTIALS = "Give each cluster credentials of its own.";

function usesOf(cluster: ClusterFile): Use[] {
  const credentials = cluster.connection ?? cluster;
  const sources = [
    ...(["token_secret_env", "password_env"] as const).map((key) => ({ key, noun: "environment variable" })),
    ...(["token_secret_file", "password_file"] as const).map((key) => ({ key, noun: "file" })),
    ...(["token_secret_config", "password_config"] as const).map((key) => ({ key, noun: "Pulumi configuration key" })),
  ];
  const secrets = sources.flatMap(({ key, noun }): Use[] => {
    const source = credentials[key];
    return source === undefined
      ? []
      : [{ key, identity: `${noun} ${source}`, place: key, what: `${noun} ${source}`, advice: OWN_CREDENTIALS }];
  });
  return [...secrets, ...[...new Set(endpointsOf(cluster))].flatMap((endpoint) => endpointUses(cluster, endpoint))];
}

function endpointUses(cluster: ClusterFile, endpoint: string): Use[] {
  const { token_id: tokenId, username } = cluster.connection ?? cluster;
  const login = tokenId ?? username;
  const loginKey = tokenId === undefined ? "username" : "token_id";
  const endpointKey = cluster.connection === undefined ? "url" : cluster.connection.api_urls === undefined ? "api_url" : "api_urls";
  const address = {
    key: endpointKey,
    identity: `endpoint ${endpoint}`,
    place: endpoint,
    what: `endpoint ${endpoint}`,
    advice: "Declare each cluster once: what is declared twice is counted twice.",
  };
  if (login === undefined) return [address];
  return [
    {
      key: loginKey,
      identity: `login ${login} ${endpoint}`,
      place: endpoint,
      what: `${loginKey} ${login} at ${endpoint}`,
      advice: OWN_CREDENTIALS,
    },
    address,
  ];
}

function endpointsOf(cluster: ClusterFile): string[] {
  const { connection, url } = cluster;
  if (!connection) return url === undefined ? [] : [url];
  return connection.api_urls ?? (connection.api_url === undefined ? [] : [connection.api_url]);
}
