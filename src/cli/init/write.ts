/** From the answers to the text of a federation.yaml. Pure. */
import { Document, isMap, isScalar, type Pair } from "yaml";
import type { Survey } from "./survey";

const GIB = 1024 ** 3;

export interface ClusterAnswers {
  id: string;
  provider?: string;
  location?: string;
  tier: string;
  url: string;
  /** Pinned where the system does not trust the certificate. */
  fingerprint?: string;
  tokenId: string;
  secretVariable: string;
  primaryStorage?: string;
  /** Absent: the cluster could not be asked. */
  survey?: Survey;
}

export interface Answers {
  name: string;
  clusters: ClusterAnswers[];
  pool: string;
}

const COMMENTS: Record<string, string> = {
  network: " logical names are what VMs ask for: give the same name to what is the same on every cluster",
  backup_stores: " reached by several clusters: moves between clusters go through them",
  migration_policies: " moves may go every way; name paths instead to allow some, limit their bandwidth or set windows",
};

export function federationText({ name, clusters, pool }: Answers): string {
  const stores = sharedStores(clusters);
  const document = new Document({
    name,
    clusters: clusters.map(clusterEntry),
    resource_pools: [{ name: pool, clusters: clusters.map(({ id }) => id), placement_policy: { strategy: "balanced" } }],
    federation: { default_pool: pool },
    ...(stores.length === 0 ? {} : { backup_stores: stores, migration_policies: { default_method: "backup-restore" } }),
  });
  document.commentBefore =
    " Written by `federate init`. `federate validate --check-connectivity` says what is still missing.\n Secrets are in environment variables, never here.";
  comment(document);
  return document.toString({ lineWidth: 130 });
}

function clusterEntry(answers: ClusterAnswers) {
  const { id, provider, location, tier, url, fingerprint, tokenId, secretVariable, primaryStorage, survey } = answers;
  const bridge = survey?.bridges[0];
  return {
    id,
    ...(provider === undefined ? {} : { provider }),
    ...(location === undefined ? {} : { location }),
    tier,
    connection: {
      api_url: url,
      ...(fingerprint === undefined ? {} : { fingerprint }),
      token_id: tokenId,
      token_secret_env: secretVariable,
    },
    ...(survey === undefined || survey.bridges.length === 0 ? {} : { network: { bridges: survey.bridges, networks: { lan: { bridge } } } }),
    ...(primaryStorage === undefined ? {} : { storage: storageEntry(primaryStorage, survey) }),
    ...(survey === undefined ? {} : { nodes: survey.nodes.map(nodeEntry) }),
  };
}

function storageEntry(primary: string, survey: Survey | undefined) {
  const backends = (survey?.diskStorages ?? []).map(({ storage, type, totalBytes }) => ({
    name: storage,
    type,
    ...(totalBytes === undefined ? {} : { capacity: `${Math.floor(totalBytes / GIB)}GiB` }),
  }));
  return { primary_storage: primary, ...(backends.length === 0 ? {} : { backends }) };
}

function nodeEntry({ name, cores, memoryBytes }: Survey["nodes"][number]) {
  return {
    name,
    ...(cores === undefined ? {} : { cores }),
    ...(memoryBytes === undefined ? {} : { memory: `${Math.floor(memoryBytes / GIB)}GiB` }),
  };
}

/** Stores that at least two clusters reach. */
function sharedStores(clusters: readonly ClusterAnswers[]) {
  const found = new Map<string, { type: string; storages: Record<string, string> }>();
  for (const { id, survey } of clusters)
    for (const { storage, type, identity } of survey?.backupStorages ?? []) {
      const store = found.get(identity) ?? { type, storages: {} };
      store.storages[id] ??= storage;
      found.set(identity, store);
    }
  const shared = [...found.values()].filter(({ storages }) => Object.keys(storages).length > 1);
  return shared.map(({ type, storages }, index) => ({ name: index === 0 ? type : `${type}-${index + 1}`, type, storages }));
}

function comment(document: Document): void {
  const visit = (node: unknown): void => {
    if (!isMap(node)) return;
    for (const pair of node.items as Pair[]) {
      if (!isScalar(pair.key)) continue;
      const text = COMMENTS[String(pair.key.value)];
      if (text !== undefined) pair.key.commentBefore = text;
    }
  };
  visit(document.contents);
  const first = document.getIn(["clusters", 0]);
  visit(first);
}
