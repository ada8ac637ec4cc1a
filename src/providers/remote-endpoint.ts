/** How a node of one cluster reaches a node of another, for a remote migration. */
import type { RemoteEndpoint } from "../migration";
import { type Session, UserError } from "./session";

/** Proxmox's own; a node answers the others of its cluster there as well. */
const API_PORT = 8006;

/** The node's address as its cluster knows it, and its certificate. @throws UserError when one of them or the token is missing */
export async function getRemoteEndpoint(session: Session, clusterId: string, node: string): Promise<RemoteEndpoint> {
  const credentials = await session.credentialsOf(clusterId);
  if (credentials.kind !== "token")
    throw new UserError(`remote migration needs an API token of ${clusterId}: set connection.token_id instead of a username and password`);
  const api = await session.client(clusterId);
  const [{ nodes }, rows] = await Promise.all([api.getClusterStatus(), api.request<unknown>("GET", "/nodes")]);
  const host = nodes.find(({ name }) => name === node)?.ip;
  const fingerprint = fingerprintOf(rows, node);
  if (host === undefined || fingerprint === undefined)
    throw new UserError(
      `${clusterId} does not tell the ${host === undefined ? "address" : "certificate"} of node ${node}: its token needs Sys.Audit on /`,
    );
  return { host, port: API_PORT, fingerprint, tokenId: credentials.tokenId, secret: credentials.secret };
}

function fingerprintOf(rows: unknown, node: string): string | undefined {
  if (!Array.isArray(rows)) return undefined;
  const row = (rows as { node?: unknown; ssl_fingerprint?: unknown }[]).find((candidate) => candidate.node === node);
  return typeof row?.ssl_fingerprint === "string" && row.ssl_fingerprint !== "" ? row.ssl_fingerprint : undefined;
}
