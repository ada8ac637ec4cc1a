import { listWords } from "../amounts";
import type { Shortfall } from "../model";
import type { ClusterFilter } from "./filter";

/** Image and template exist on the cluster. Asked of new guests only: one that exists carries its disks with it. */
export const bootSource: ClusterFilter = {
  name: "boot-source",
  check({ request, prior }, { facts }) {
    if (prior !== undefined) return [];
    const shortfalls: Shortfall[] = [];
    const demand = (kind: "image" | "template", wanted: string | undefined, have: readonly string[]): void => {
      if (wanted === undefined || have.includes(wanted)) return;
      shortfalls.push({
        text: `${facts.id} has no ${kind} ${wanted} (it has ${listWords(have) || "none"})`,
        summary: `without ${kind} ${wanted}`,
        remedy: `add ${kind} ${wanted} to the ${kind}s of ${facts.id}`,
        ifOthersMove: false,
      });
    };
    demand("image", request.image, facts.images);
    demand("template", request.template, facts.templates);
    return shortfalls;
  },
};
