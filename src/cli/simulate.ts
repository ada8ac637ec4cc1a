/** `federate simulate`: the clusters of a federation.yaml, simulated. */
import { readFile, writeFile } from "node:fs/promises";
import type { CredentialSource, Federation } from "../config";
import {
  layoutFromFederation,
  type SimulatedBackupServer,
  type SimulatedCluster,
  simulatedBackupServerId,
  startSimulator,
} from "../simulator";
import { loadWithWarnings } from "./context";
import { EXIT, type ExitCode } from "./exit-codes";
import type { CliIo } from "./io";
import { pointAtSimulator, type SimulatedStoreApi } from "./simulated-config";
import { interrupted } from "./until-interrupted";

export interface SimulateOptions {
  state?: string;
  portBase?: number;
  latency?: number;
  timeScale?: number;
  writeConfig?: string;
}

/** Prints one line of JSON when the clusters listen; ends when SIGINT or SIGTERM arrives. */
export async function simulate(file: string, options: SimulateOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const simulator = await startSimulator({
    layout: layoutFromFederation(federation),
    stateDir: options.state,
    portBase: options.portBase,
    latencyMs: options.latency,
    timeScale: options.timeScale,
  });
  try {
    if (options.writeConfig !== undefined)
      await writeFile(
        options.writeConfig,
        pointAtSimulator(await readFile(file, "utf8"), simulator.clusters, storeApisOf(federation, simulator.backupServers)),
      );
    const stopped = interrupted();
    const clusters = simulator.clusters.map((cluster) => ({ ...cluster, environment: environmentOf(federation, cluster) }));
    const backupServers = simulator.backupServers.map((server) => ({ ...server, environment: storeEnvironmentOf(federation, server) }));
    io.stdout.write(`${JSON.stringify({ adminUrl: simulator.adminUrl, clusters, backupServers })}\n`);
    await stopped;
  } finally {
    await simulator.stop();
  }
  return EXIT.ok;
}

/** Where the API of each backup store is. */
export function storeApisOf(federation: Federation, servers: readonly SimulatedBackupServer[]): SimulatedStoreApi[] {
  return federation.backupStores.flatMap((store) => {
    const server = servers.find(({ id }) => id === simulatedBackupServerId(federation, store));
    return server ? [{ store: store.name, url: server.url, fingerprint: server.fingerprint }] : [];
  });
}

/** Environment variables that make the file's own credentials work here. Secrets from files or Pulumi have none. */
export function environmentOf(federation: Federation, simulated: SimulatedCluster): Record<string, string> {
  const credentials = federation.clusters.find((cluster) => cluster.id === simulated.id)?.connection?.credentials;
  return credentials ? secretOf(credentials, simulated) : {};
}

/** As {@link environmentOf}, for the backup stores on a server. */
export function storeEnvironmentOf(federation: Federation, simulated: SimulatedBackupServer): Record<string, string> {
  const stores = federation.backupStores.filter((store) => simulatedBackupServerId(federation, store) === simulated.id);
  return Object.assign({}, ...stores.map(({ api }) => (api ? secretOf(api.credentials, simulated) : {})));
}

function secretOf(credentials: CredentialSource, simulated: Pick<SimulatedCluster, "tokens" | "passwords">): Record<string, string> {
  if (credentials.kind === "token") {
    const value = simulated.tokens[credentials.tokenId];
    return credentials.secret.kind === "environment" && value !== undefined ? { [credentials.secret.variable]: value } : {};
  }
  const value = simulated.passwords[credentials.username];
  return credentials.password.kind === "environment" && value !== undefined ? { [credentials.password.variable]: value } : {};
}
