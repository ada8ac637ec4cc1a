import { listWords } from "../amounts";
import type { ClusterFilter } from "./filter";

/** Every network the guest is on exists on the cluster. */
export const networks: ClusterFilter = {
  name: "networks",
  check({ request }, { facts }) {
    const missing = [...new Set(request.networks)].filter((network) => !facts.networks.includes(network));
    return missing.map((network) => ({
      text: `${facts.id} has no network ${network} (it has ${listWords(facts.networks) || "none"})`,
      summary: `without network ${network}`,
      remedy: `map network ${network} in network.networks of ${facts.id}`,
      ifOthersMove: false,
    }));
  },
};
