/** Keeping pods to the zones of their volumes, and apart in them. Pure. */
import type * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { REGION_LABEL, ZONE_LABEL } from "../../kubernetes";

export interface Zone {
  /** Region of the Proxmox cluster. */
  region: string;
  /** Proxmox node. */
  zone: string;
}

/** With every value known. */
export type PodTemplate = pulumi.Unwrap<kubernetes.types.input.core.v1.PodTemplateSpec>;
type Term = pulumi.Unwrap<kubernetes.types.input.core.v1.NodeSelectorTerm>;
type SpreadConstraint = pulumi.Unwrap<kubernetes.types.input.core.v1.TopologySpreadConstraint>;

/** The template with the labels, and with an affinity to the zones that narrows what it asks for itself. */
export function bindToZones(template: PodTemplate, labels: Record<string, string>, zones: readonly Zone[]): PodTemplate {
  const { metadata, spec } = template;
  if (!spec) throw new Error("The pod template of a ZonedStatefulSet has no spec: add its containers.");
  const affinity = spec.affinity?.nodeAffinity;
  const terms = inZones(affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [], zones);
  return {
    ...template,
    metadata: { ...metadata, labels: { ...metadata?.labels, ...labels } },
    spec: {
      ...spec,
      affinity: {
        ...spec.affinity,
        nodeAffinity: { ...affinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
      },
      topologySpreadConstraints: spec.topologySpreadConstraints ?? [evenlyOverZones(labels)],
    },
  };
}

/** One of the terms has to hold: each of the template's own, in each zone. */
function inZones(own: readonly Term[], zones: readonly Zone[]): Term[] {
  const unique = new Map(zones.map((zone) => [`${zone.region}/${zone.zone}`, zone]));
  const zoneExpressions = [...unique.values()].map(({ region, zone }) => [
    { key: REGION_LABEL, operator: "In", values: [region] },
    { key: ZONE_LABEL, operator: "In", values: [zone] },
  ]);
  const terms: readonly Term[] = own.length > 0 ? own : [{}];
  return terms.flatMap((term) =>
    zoneExpressions.map((expressions) => ({ ...term, matchExpressions: [...(term.matchExpressions ?? []), ...expressions] })),
  );
}

/** The volumes decide; a hard constraint would keep the pods of the other zones waiting while one zone is down. */
function evenlyOverZones(labels: Record<string, string>): SpreadConstraint {
  return {
    maxSkew: 1,
    topologyKey: ZONE_LABEL,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: labels },
  };
}
