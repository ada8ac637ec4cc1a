/** What a program registered with Pulumi's Kubernetes SDK, as objects of Kubernetes. */
import type * as library from "@kubernetes/client-node";
import type { Program, Registered } from "../../components/kubernetes/registered";

/** Without charts and patches, which are no objects. */
export function objectsOf({ registered }: Program): library.KubernetesObject[] {
  return registered.filter(isObject).map(toObject);
}

function isObject({ type }: Registered): boolean {
  return type.startsWith("kubernetes:") && !type.includes(":helm.sh/") && !type.endsWith("Patch");
}

/** Pulumi's types are `kubernetes:<group>/<version>:<kind>`, and the core group is called so. */
function toObject({ type, name, inputs }: Registered): library.KubernetesObject {
  const [, group, kind] = type.split(":");
  const metadata = { name, ...(inputs.metadata as object | undefined) };
  return { ...inputs, apiVersion: group!.replace(/^core\//, ""), kind, metadata } as library.KubernetesObject;
}
