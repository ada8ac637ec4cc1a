/** One provider per cluster and stack; secrets are Terraform variables without a default. */
import { type TerraformStack, TerraformVariable } from "cdktf";
import type { Cluster } from "../config";
import { ProxmoxProvider, type ProxmoxProviderConfig } from "./bpg/provider";
import { SynthError } from "./errors";

export interface ProviderOptions {
  /** Version constraint of bpg/proxmox. Default `>= 0.80.0, < 1.0.0`. */
  version?: string;
  /** Clusters whose certificate is not checked. It cannot be pinned by fingerprint: that provider has no such setting. */
  insecureClusters?: readonly string[];
}

/**
 * The providers of all clusters that have a connection, by cluster id, also of those without a VM: what a VM has left needs
 * its provider to be destroyed.
 */
export function providersOf(stack: TerraformStack, clusters: readonly Cluster[], options: ProviderOptions): Map<string, ProxmoxProvider> {
  const connected = clusters.filter(({ connection }) => connection !== undefined);
  const aliases = new Map<string, string>();
  for (const { id } of connected) {
    const twin = aliases.get(aliasOf(id));
    if (twin !== undefined)
      throw new SynthError("INPUT", [`Clusters ${twin} and ${id} have one Terraform alias, ${aliasOf(id)}. Rename one of them.`]);
    aliases.set(aliasOf(id), id);
  }
  return new Map(connected.map((cluster) => [cluster.id, providerOf(stack, cluster, options)]));
}

/** Also the prefix of its variables, which the shell has to be able to set: letters, digits and `_`. */
export function aliasOf(clusterId: string): string {
  const alias = clusterId.replace(/[^A-Za-z0-9]/g, "_");
  return /^\d/.test(alias) ? `c${alias}` : alias;
}

function providerOf(stack: TerraformStack, cluster: Cluster, { version, insecureClusters = [] }: ProviderOptions): ProxmoxProvider {
  const id = `proxmox-${aliasOf(cluster.id)}`;
  const known = stack.node.tryFindChild(id);
  if (known instanceof ProxmoxProvider) return known;
  const { apiUrls, tls } = cluster.connection!;
  const insecure = !tls.verify || insecureClusters.includes(cluster.id);
  return new ProxmoxProvider(stack, id, {
    alias: aliasOf(cluster.id),
    endpoint: apiUrls[0]!,
    ...credentialsOf(stack, cluster),
    ...(insecure ? { insecure } : {}),
    ...(version === undefined ? {} : { version }),
  });
}

function credentialsOf(
  stack: TerraformStack,
  { id, connection }: Cluster,
): Pick<ProxmoxProviderConfig, "apiToken" | "username" | "password"> {
  const { credentials } = connection!;
  if (credentials.kind === "password")
    return { username: credentials.username, password: secret(stack, id, "password", `Password of ${credentials.username} on ${id}`) };
  if (credentials.tokenIdFile !== undefined)
    return { apiToken: secret(stack, id, "api_token", `API token of ${id}, user@realm!name=secret`) };
  return { apiToken: `${credentials.tokenId}=${secret(stack, id, "token_secret", `Secret of API token ${credentials.tokenId} on ${id}`)}` };
}

function secret(stack: TerraformStack, clusterId: string, what: string, description: string): string {
  const name = `${aliasOf(clusterId)}_${what}`;
  const variable = new TerraformVariable(stack, name, { type: "string", sensitive: true, description });
  variable.overrideLogicalId(name);
  return variable.stringValue;
}
