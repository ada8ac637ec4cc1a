/** `federate simulate`: the clusters of a federation.yaml, simulated. */
import { readFile, writeFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { type Federation, loadFederation } from "../config";
import { layoutFromFederation, type SimulatedCluster, startSimulator } from "../simulator";
import { pointAtSimulator } from "./simulated-config";

interface SimulateOptions {
  config: string;
  state?: string;
  portBase?: number;
  latency?: number;
  timeScale?: number;
  writeConfig?: string;
}

/** The command; `federate` adds it. Its action ends when SIGINT or SIGTERM arrives. */
export function simulateCommand(): Command {
  return new Command("simulate")
    .description("serve simulated Proxmox VE clusters for the federation's file; prints one line of JSON, then runs until interrupted")
    .requiredOption("-c, --config <file>", "federation.yaml")
    .option("--state <directory>", "keep the simulated world there and go on with it at the next start")
    .option("--port-base <port>", "admin API on this port, one port per node after it (default: free ports)", parsePort)
    .option("--latency <ms>", "virtual time that every request takes at least", parseAmount)
    .option("--time-scale <factor>", "how many times as fast as real time (0: only by the admin API)", parseAmount)
    .option("--write-config <file>", "write the federation's file there with endpoints and fingerprints of the simulated clusters")
    .action(async (options: SimulateOptions) => {
      const { federation, warnings } = await loadFederation(options.config);
      for (const warning of warnings) process.stderr.write(`${warning.file}:${warning.line}:${warning.column}: ${warning.message}\n`);
      const layout = layoutFromFederation(federation);
      const simulator = await startSimulator({
        layout,
        stateDir: options.state,
        portBase: options.portBase,
        latencyMs: options.latency,
        timeScale: options.timeScale,
      });
      if (options.writeConfig !== undefined)
        await writeFile(options.writeConfig, pointAtSimulator(await readFile(options.config, "utf8"), simulator.clusters));
      const stopped = new Promise<void>((resolve) => {
        for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
      });
      const clusters = simulator.clusters.map((cluster) => ({ ...cluster, environment: environmentOf(federation, cluster) }));
      process.stdout.write(`${JSON.stringify({ adminUrl: simulator.adminUrl, clusters })}\n`);
      await stopped;
      await simulator.stop();
    });
}

/** Environment variables that make the file's own credentials work here. Secrets from files or Pulumi have none. */
export function environmentOf(federation: Federation, simulated: SimulatedCluster): Record<string, string> {
  const credentials = federation.clusters.find((cluster) => cluster.id === simulated.id)?.connection?.credentials;
  if (!credentials) return {};
  if (credentials.kind === "token") {
    const value = simulated.tokens[credentials.tokenId];
    return credentials.secret.kind === "environment" && value !== undefined ? { [credentials.secret.variable]: value } : {};
  }
  const value = simulated.passwords[credentials.username];
  return credentials.password.kind === "environment" && value !== undefined ? { [credentials.password.variable]: value } : {};
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1024 || port > 65000) throw new InvalidArgumentError("a port from 1024 to 65000");
  return port;
}

function parseAmount(text: string): number {
  const amount = Number(text);
  if (text.trim() === "" || !Number.isFinite(amount) || amount < 0) throw new InvalidArgumentError("a number of at least 0");
  return amount;
}
