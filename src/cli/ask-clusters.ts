/** Asking every cluster the same, at once: one that is down, slow or refuses is part of the answer and hides no other. */
import type { Cluster } from "../config";
import { type ClusterClients, withinDeadline } from "../inventory";
import type { CallOptions, ProxmoxApi } from "../proxmox";
import { EXIT, type ExitCode } from "./exit-codes";
import { codeOf, describeFailure } from "./failure";

/** What came of asking one cluster. */
export type Asked<T> =
  | { cluster: Cluster; ok: true; value: T }
  /** `not-contacted`: it is declared lost or has no connection; nothing is wrong with that. */
  | { cluster: Cluster; ok: false; kind: "not-contacted" | "unreachable" | "refused"; reason: string };

export type Ask<T> = (api: ProxmoxApi, cluster: Cluster, options: CallOptions) => Promise<T>;

/** In the order of `clusters`. Rejects only with what is a fault of this program. */
export function askClusters<T>(clusters: readonly Cluster[], clients: ClusterClients, ask: Ask<T>): Promise<Asked<T>[]> {
  return Promise.all(clusters.map((cluster) => askOne(cluster, clients, ask)));
}

async function askOne<T>(cluster: Cluster, clients: ClusterClients, ask: Ask<T>): Promise<Asked<T>> {
  const reason = whyNotContacted(cluster);
  if (reason !== undefined) return { cluster, ok: false, kind: "not-contacted", reason };
  try {
    const api = await clients.get(cluster);
    return { cluster, ok: true, value: await withinDeadline(cluster, (options) => ask(api, cluster, options)) };
  } catch (error) {
    const { exitCode, message } = describeFailure(error);
    if (exitCode === EXIT.internal) throw error;
    return { cluster, ok: false, kind: exitCode === EXIT.unreachable ? "unreachable" : "refused", reason: message };
  }
}

function whyNotContacted(cluster: Cluster): string | undefined {
  if (cluster.status === "lost") return "it is declared lost";
  return cluster.connection === undefined ? "it has no connection in the federation file" : undefined;
}

/** What the failures among the answers mean for the exit code. */
export function exitCodesOf(asked: readonly Asked<unknown>[]): ExitCode[] {
  return asked.flatMap((answer): ExitCode[] => {
    if (answer.ok || answer.kind === "not-contacted") return [];
    return [answer.kind === "unreachable" ? EXIT.unreachable : EXIT.refused];
  });
}

/** The answer, or `undefined` where the token may not ask. */
export async function unlessForbidden<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && codeOf(error) === "PERMISSION") return undefined;
    throw error;
  }
}
