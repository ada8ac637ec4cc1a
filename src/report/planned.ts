/** What a preview plans, laid over the live federation. Pure. */
import type { PlannedChanges } from "./preview";
import type { GuestChange, Topology } from "./topology";

/** Guests are matched by their name where the preview says they are; one that is not found is shown in the table only. */
export function withPlanned(topology: Topology, { resources }: PlannedChanges): Topology {
  const changes = resources.flatMap((resource): GuestChange[] => {
    const { name, kind, operation, from, to, why, migration, cores = 0, memoryMiB = 0 } = resource;
    if (kind === "pool" || operation === "same") return [];
    const moves = from && to && (from.cluster !== to.cluster || from.node !== to.node);
    const goes = operation === "delete" && from;
    const comes = operation === "create" && to;
    if (!moves && !goes && !comes) return [];
    const guest = from && findGuest(topology, from, name);
    return [
      {
        name,
        cores: guest?.cores ?? cores,
        memoryMiB: guest?.memoryMiB ?? memoryMiB,
        ...(guest ? { guest: guest.id } : {}),
        ...(from ? { from } : {}),
        ...(to && !goes ? { to } : {}),
        why: [migration?.transfer, migration?.downtime && `down ${migration.downtime}`, migration?.reason ?? why]
          .filter(Boolean)
          .join("; "),
      },
    ];
  });
  return { ...topology, changes };
}

function findGuest({ clusters }: Topology, { cluster, node }: { cluster: string; node: string }, name: string) {
  const guests = clusters.find(({ id }) => id === cluster)?.nodes.find((candidate) => candidate.name === node)?.guests ?? [];
  return guests.find((guest) => guest.name === name);
}
