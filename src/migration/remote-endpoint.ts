/** How the nodes of the source reach the target's API for a remote migration. Holds a secret: never stored, logged or reported. */
export interface RemoteEndpoint {
  /** The guest arrives on the node that answers here. */
  host: string;
  port: number;
  /** SHA-256 of that node's certificate. */
  fingerprint: string;
  /** `user@realm!name`. */
  tokenId: string;
  secret: string;
}

/** As `target-endpoint` of `remote_migrate` takes it. */
export function formatEndpoint({ host, port, fingerprint, tokenId, secret }: RemoteEndpoint): string {
  return `host=${host},port=${port},fingerprint=${fingerprint},apitoken=PVEAPIToken=${tokenId}=${secret}`;
}

/** Bridges of the guest's cards to those they are declared on; `1`: as they are. Cards that share a bridge go together, and are told apart afterwards. */
export function formatBridgeMap(pairs: readonly { from: string; to: string }[]): string {
  const map = new Map<string, string>();
  for (const { from, to } of pairs) if (!map.has(from)) map.set(from, to);
  return map.size === 0 ? "1" : [...map].map(([from, to]) => `${from}:${to}`).join(",");
}
