/** Zones that have a Kubernetes worker. In others no pod could use a volume, so a new one is not put there. */
import { isKubernetesError, type KubernetesConnection, type KubernetesNode, REGION_LABEL, ZONE_LABEL } from "../../kubernetes";
import type { Company } from "../../placement";
import type { Session } from "../session";
import { keyOf, kubernetesOf } from "./kubernetes";
import type { StorageReach } from "./place";
import type { VolumePlacement } from "./state";

const CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane";

/**
 * One look serves all volumes of the run, and whoever asks first: their places must not depend on the order of the checks.
 * @returns undefined, and says why, when Kubernetes does not tell: volumes are placed without regard to workers then
 */
export function findWorkers(session: Session, connection: KubernetesConnection): Promise<Company | undefined> {
  return session.once(`workers ${keyOf(connection)}`, async () => {
    try {
      const nodes = await (await kubernetesOf(session, connection)).listNodes();
      const { clusters } = await session.federation();
      const places = nodes.filter(takesPods).flatMap(({ metadata }) => {
        const { [REGION_LABEL]: region, [ZONE_LABEL]: node } = metadata?.labels ?? {};
        const cluster = clusters.find((candidate) => candidate.region === region)?.id;
        return cluster === undefined || node === undefined ? [] : [{ cluster, node, key: `${cluster}/${node}` }];
      });
      // Kubernetes lists in no particular order, and placement breaks ties by what it is given.
      const zones = [...new Map(places.map(({ key, ...place }) => [key, place])).entries()].sort(([a], [b]) => (a < b ? -1 : 1));
      return { noun: "Kubernetes worker", nodes: zones.map(([, place]) => place) };
    } catch (error) {
      if (!isKubernetesError(error)) throw error;
      session.pace.report(`warning: volumes without a zone are placed without regard to the Kubernetes workers: ${error.message}`);
      return undefined;
    }
  });
}

/** Neither cordoned nor kept for the control plane, and not known to be down. */
function takesPods({ spec, status }: KubernetesNode): boolean {
  if (spec?.unschedulable === true) return false;
  if (spec?.taints?.some(({ key, effect }) => key === CONTROL_PLANE_TAINT && effect !== "PreferNoSchedule")) return false;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready === undefined || ready.status === "True";
}

/** Whether a worker can use a volume that is there. */
export function hasWorker({ nodes }: Company, { cluster, node }: VolumePlacement, { shared, zones }: StorageReach): boolean {
  return nodes.some((place) => place.cluster === cluster && (shared ? (zones?.includes(place.node) ?? true) : place.node === node));
}
