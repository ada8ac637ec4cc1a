/** A federation.yaml whose clusters are the simulated ones: only endpoints and fingerprints differ. */
import { isMap, isSeq, parseDocument } from "yaml";

export interface SimulatedEndpoint {
  id: string;
  endpoints: { url: string }[];
  fingerprint: string;
}

/** The API of a backup store's server. */
export interface SimulatedStoreApi {
  store: string;
  url: string;
  fingerprint: string;
}

/** Keeps comments, anchors and everything else of the file. */
export function pointAtSimulator(
  text: string,
  simulated: readonly SimulatedEndpoint[],
  storeApis: readonly SimulatedStoreApi[] = [],
): string {
  const document = parseDocument(text);
  const clusters = document.get("clusters");
  if (!isSeq(clusters)) return text;
  for (const cluster of clusters.items) {
    if (!isMap(cluster)) continue;
    const found = simulated.find((candidate) => candidate.id === cluster.get("id"));
    const connection = cluster.get("connection");
    if (!found || !isMap(connection)) continue;
    for (const key of ["api_url", "ca_file", "verify_ssl"]) connection.delete(key);
    connection.set("api_urls", document.createNode(found.endpoints.map(({ url }) => url)));
    connection.set("fingerprint", found.fingerprint);
  }
  const stores = document.get("backup_stores");
  for (const store of isSeq(stores) ? stores.items : []) {
    if (!isMap(store)) continue;
    const found = storeApis.find((candidate) => candidate.store === store.get("name"));
    const api = store.get("api");
    if (!found || !isMap(api)) continue;
    for (const key of ["ca_file", "verify_ssl"]) api.delete(key);
    api.set("url", found.url);
    api.set("fingerprint", found.fingerprint);
  }
  return document.toString();
}

/** Sets `status` of a cluster, as an operator's editor would. */
export function setClusterStatus(text: string, id: string, status: string): string {
  const document = parseDocument(text);
  const clusters = document.get("clusters");
  if (isSeq(clusters)) for (const cluster of clusters.items) if (isMap(cluster) && cluster.get("id") === id) cluster.set("status", status);
  return document.toString();
}
