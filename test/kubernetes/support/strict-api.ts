/** Objects sent to a control plane as they are. The client library would leave out what it does not know before the server could refuse it. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import * as library from "@kubernetes/client-node";
import type { ControlPlane } from "../../../scripts/kubernetes/control-plane.mjs";

const NAMESPACED = ["DaemonSet", "Deployment", "Role", "RoleBinding", "Secret", "ServiceAccount", "StatefulSet"];

export interface Answer {
  status: number;
  text: string;
}

/** Creates the object, strictly validated; with `dryRun` it only says what would come of it. */
export async function createStrictly(controlPlane: ControlPlane, object: library.KubernetesObject, dryRun = false): Promise<Answer> {
  const kubeconfig = new library.KubeConfig();
  kubeconfig.loadFromFile(controlPlane.kubeconfig);
  const ca = Buffer.from(kubeconfig.getCurrentCluster()!.caData!, "base64");
  const headers = { authorization: `Bearer ${controlPlane.token}`, "content-type": "application/json" };
  const query = `fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
  const sent = request(`${controlPlane.server}${collectionOf(object)}?${query}`, { method: "POST", ca, headers });
  sent.end(JSON.stringify(object));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode!, text: await text(response) };
}

function collectionOf({ apiVersion, kind, metadata }: library.KubernetesObject): string {
  const group = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
  const plural = `${kind!.toLowerCase()}${kind!.endsWith("s") ? "es" : "s"}`;
  const namespace = NAMESPACED.includes(kind!) ? `/namespaces/${metadata?.namespace ?? "default"}` : "";
  return `${group}${namespace}/${plural}`;
}
