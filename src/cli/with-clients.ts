/** What a command that asks the clusters runs in. */
import { type ClusterClients, createClusterClients } from "../inventory";
import { credentialEnvironment } from "./context";
import type { CliIo } from "./io";

/** Clients with the file's credentials, made on first use, and closed whatever becomes of the work. */
export async function withClients<T>(file: string, io: CliIo, work: (clients: ClusterClients) => Promise<T>): Promise<T> {
  const clients = createClusterClients(credentialEnvironment(file, io));
  try {
    return await work(clients);
  } finally {
    await clients.close();
  }
}
