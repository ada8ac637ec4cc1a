/** The session of a provider process over fake clusters: no file, no connection. */
import type { Federation } from "../../src/config";
import { type ClusterClients, NoConnectionError } from "../../src/inventory";
import { Session } from "../../src/providers/session";
import type { FakeCluster } from "./fake-cluster";
import type { FakeWorld } from "./fake-world";

/** A new process: it looks at the federation anew. */
export function fakeSession(world: FakeWorld, federation: Federation, clusters: readonly FakeCluster[]): Session {
  const clients: ClusterClients = {
    get: async ({ id, status }) => {
      if (status === "lost") throw new NoConnectionError(`cluster ${id} is declared lost and is not contacted`);
      const found = clusters.find((candidate) => candidate.clusterId === id);
      if (!found) throw new NoConnectionError(`cluster ${id} has no connection`);
      return found;
    },
    close: async () => undefined,
  };
  const session = new Session(world.pace);
  // Stands for the file and the connections it would lead to.
  Object.assign(session, { loaded: Promise.resolve({ federation, clients }) });
  return session;
}
