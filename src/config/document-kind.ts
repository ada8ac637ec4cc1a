/** What a file is, judged before it is checked. */
import type { DocumentKind } from "./findings";
import type { Source, SourceNode } from "./source";

/** Complete if something could be done with it: a cluster is connected, or a pool names a declared cluster. */
export function kindOf(source: Source): DocumentKind {
  const ids = new Set(declaredClusterIds(source));
  const connected = listAt(source, ["clusters"]).some(
    (cluster) => child(cluster, "connection") !== undefined || child(cluster, "url") !== undefined,
  );
  const pooled = listAt(source, ["resource_pools"]).some((pool) =>
    items(child(pool, "clusters")).some((item) => ids.has(textOf(item) ?? "")),
  );
  return connected || pooled ? "complete" : "template";
}

/** Ids of the file's clusters as written, so that a cluster with a mistake elsewhere still exists for those who refer to it. */
export function declaredClusterIds(source: Source): string[] {
  return listAt(source, ["clusters"]).flatMap((cluster) => textOf(child(cluster, "id")) ?? textOf(child(cluster, "region")) ?? []);
}

function listAt(source: Source, path: string[]): SourceNode[] {
  return items(source.find(path));
}

function items(node: SourceNode | undefined): SourceNode[] {
  return node?.content.kind === "list" ? node.content.items : [];
}

function child(node: SourceNode, key: string): SourceNode | undefined {
  return node.content.kind === "map" ? node.content.entries.get(key) : undefined;
}

function textOf(node: SourceNode | undefined): string | undefined {
  return node?.content.kind === "scalar" && typeof node.content.value === "string" ? node.content.value : undefined;
}
