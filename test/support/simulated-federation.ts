/** A simulated federation for tests: servers, a federation.yaml that points at them, and the credentials' environment. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environmentOf, storeApisOf, storeEnvironmentOf } from "../../src/cli/simulate";
import { pointAtSimulator } from "../../src/cli/simulated-config";
import { parseFederation } from "../../src/config";
import { createProxmoxClient, type ProxmoxApi } from "../../src/proxmox";
import { layoutFromFederation, type Simulator, type SimulatorOptions, startSimulator } from "../../src/simulator";

export const EXAMPLE_FEDERATION = join(__dirname, "../../examples/multi-site/federation.yaml");

export interface SimulatedFederation {
  simulator: Simulator;
  /** Directory of `file`; removed by `stop`. */
  directory: string;
  file: string;
  /** For the provider process: FEDERATION_CONFIG and the token secrets. */
  env: Record<string, string>;
  /** Rewrites federation.yaml. */
  edit(change: (text: string) => string): Promise<void>;
  admin<T>(method: string, path: string, body?: unknown): Promise<T>;
  stop(): Promise<void>;
}

/** A client of one of its clusters, with the token of the federation's file. Whoever asks for it closes it. */
export function clientOf({ simulator }: SimulatedFederation, id: string): ProxmoxApi {
  const cluster = simulator.clusters.find((candidate) => candidate.id === id)!;
  return createProxmoxClient({
    clusterId: id,
    endpoints: cluster.endpoints.map(({ url }) => url),
    credentials: { kind: "token", tokenId: cluster.token!.id, secret: cluster.token!.secret },
    tls: { fingerprint: cluster.fingerprint, verify: true },
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 30_000,
  });
}

/** Work with such a client, which is closed afterwards. */
export async function withClient<T>(federation: SimulatedFederation, id: string, work: (api: ProxmoxApi) => Promise<T>): Promise<T> {
  const api = clientOf(federation, id);
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}

export interface SimulatedFederationOptions {
  /** Default: the example's. */
  text?: string;
  timeScale?: number;
  /** What else the simulator is to be started with. */
  simulator?: Omit<SimulatorOptions, "layout" | "timeScale">;
}

export async function startSimulatedFederation(options: SimulatedFederationOptions = {}): Promise<SimulatedFederation> {
  const text = options.text ?? (await readFile(EXAMPLE_FEDERATION, "utf8"));
  const { federation } = await parseFederation(text, "federation.yaml");
  const simulator = await startSimulator({
    ...options.simulator,
    layout: layoutFromFederation(federation),
    timeScale: options.timeScale ?? 200,
  });
  const directory = await mkdtemp(join(tmpdir(), "proxmox-federation-"));
  const file = join(directory, "federation.yaml");
  await writeFile(file, pointAtSimulator(text, simulator.clusters, storeApisOf(federation, simulator.backupServers)));
  const env: Record<string, string> = { FEDERATION_CONFIG: file };
  for (const cluster of simulator.clusters) Object.assign(env, environmentOf(federation, cluster));
  for (const server of simulator.backupServers) Object.assign(env, storeEnvironmentOf(federation, server));
  return {
    simulator,
    directory,
    file,
    env,
    edit: async (change) => writeFile(file, change(await readFile(file, "utf8"))),
    admin: async (method, path, body) => {
      const reply = await fetch(simulator.adminUrl + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
      return (await reply.json()) as never;
    },
    stop: async () => {
      await simulator.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
