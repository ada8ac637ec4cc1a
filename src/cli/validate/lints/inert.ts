/** Keys of the guide that promise what nothing here does: whoever wrote them should not rely on it. */
import type { Cluster, Federation, LoadedFederation } from "../../../config";
import { type Lint, warn } from "../finding";

export function lintInert(federation: Federation, declares: LoadedFederation["declares"]): Lint[] {
  return [
    ...INERT_SETTINGS.filter(({ key }) => declares(["federation", key])).map(({ key, message, suggestion }) =>
      warn(["federation", key], message, suggestion),
    ),
    ...federation.clusters.flatMap((cluster, index) => [
      ...replicationTargets(federation, cluster, ["clusters", index, "storage", "replication_targets"]),
      ...prohibitions(cluster, ["clusters", index, "capabilities"]),
    ]),
  ];
}

const LOOKS = "Remove it. `federate status --watch` and `federate metrics --every` look as often as they are told.";
const INERT_SETTINGS = [
  {
    key: "primary_cluster",
    message: "no cluster is in charge of the others: this has no effect",
    suggestion: "Use tiers, weights or rules.",
  },
  { key: "sync_interval", message: "nothing is synchronised in the background: this has no effect", suggestion: LOOKS },
  { key: "health_check_interval", message: "nothing is watched in the background: this has no effect", suggestion: LOOKS },
];

/** Proxmox replicates storage inside a cluster only; between clusters it is backups of a pool that travel. */
function replicationTargets({ resourcePools }: Federation, { id, storage }: Cluster, path: Lint["path"]): Lint[] {
  return storage.replicationTargets.flatMap(({ targetCluster }, index) => {
    const backedUp = resourcePools.some(
      ({ clusters, replication }) => replication && clusters.includes(id) && clusters.includes(targetCluster),
    );
    if (backedUp) return [];
    return [
      warn(
        [...path, index],
        `this alone replicates nothing from \`${id}\` to \`${targetCluster}\`: Proxmox replicates inside a cluster only`,
        "Put both into a pool with `replication`: backups on a schedule, which the other cluster can restore.",
      ),
    ];
  });
}

/** A capability that is denied reads like a prohibition. */
function prohibitions({ id, capabilities }: Cluster, path: Lint["path"]): Lint[] {
  return [
    ...(capabilities.liveMigration === false
      ? [
          warn(
            [...path, "live_migration"],
            `this does not keep guests of \`${id}\` from being moved while they run`,
            "Move them when they are stopped.",
          ),
        ]
      : []),
    ...(capabilities.backup === false
      ? [
          warn(
            [...path, "backup_enabled"],
            `this does not keep guests of \`${id}\` from being backed up, by moves among others`,
            "Leave the cluster out of `backup_stores`.",
          ),
        ]
      : []),
  ];
}
