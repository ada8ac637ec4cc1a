import { isAtHome, storageIds } from "../ask";
import type { Company } from "../model";
import type { NodeState } from "../world";
import type { NodeFilter } from "./filter";

/** What is to use the request's disks runs where they can be reached. What has a place keeps it without. */
export const company: NodeFilter = {
  name: "company",
  check(ask, node) {
    const wanted = ask.request.company;
    if (wanted === undefined || isAtHome(ask, node)) return [];
    const shared = storageIds(ask, node.cluster).map((id) => node.storages.get(id ?? "")?.facts);
    const reach = shared.length > 0 && shared.every((facts) => facts?.shared) ? shared.flatMap((facts) => facts?.nodes ?? []) : [];
    // On storage that the cluster shares no byte moves when the owner changes nodes.
    if (reach.length > 0 && isAtHome(ask, node.cluster)) return [];
    if ([node.facts.name, ...reach].some((name) => runs(wanted, node.cluster.facts.id, name))) return [];
    return [shortfall(wanted, node)];
  },
};

function runs({ nodes }: Company, cluster: string, node: string): boolean {
  return nodes.some((place) => place.cluster === cluster && place.node === node);
}

function shortfall({ noun }: Company, { key }: NodeState) {
  return { text: `no ${noun} in zone ${key}`, summary: `without a ${noun}`, remedy: `run a ${noun} on ${key}`, ifOthersMove: false };
}
