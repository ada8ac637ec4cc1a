/** Pods of a set, even over zones. Pure. */
import type * as kubernetes from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { ZONE_LABEL } from "../../kubernetes";

/** With every value known. */
export type PodTemplate = pulumi.Unwrap<kubernetes.types.input.core.v1.PodTemplateSpec>;

/**
 * The template with the labels, and with a preference to be even over zones unless it has its own. It names no zones: the
 * volumes keep their pods where they are, and a pod that the former template still bound to a zone would wait for ever once its
 * volume has moved. Nor is the preference a condition, which would keep pods of other zones waiting while one zone is down.
 */
export function spreadOverZones(template: PodTemplate, labels: Record<string, string>): PodTemplate {
  const { metadata, spec } = template;
  if (!spec) throw new Error("The pod template of a ZonedStatefulSet has no spec: add its containers.");
  const evenly = { maxSkew: 1, topologyKey: ZONE_LABEL, whenUnsatisfiable: "ScheduleAnyway", labelSelector: { matchLabels: labels } };
  return {
    ...template,
    metadata: { ...metadata, labels: { ...metadata?.labels, ...labels } },
    spec: { ...spec, topologySpreadConstraints: spec.topologySpreadConstraints ?? [evenly] },
  };
}
