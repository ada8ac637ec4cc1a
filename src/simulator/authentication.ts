/** Tickets, CSRF tokens and API tokens. */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { AuthenticatedUser, ClusterState } from "./kernel";
import { isActiveUser, splitAuthid } from "./permissions";

/** A ticket is good for two hours; one from up to five minutes ahead is taken for clock skew. */
const ticketLifetimeSeconds = 2 * 60 * 60;
const clockSkewSeconds = 300;

export interface AuthenticationHeaders {
  cookie?: string;
  authorization?: string;
  csrfToken?: string;
}

/** Credentials the proxy refuses: 401 with this reason, an empty body, after three seconds. */
export class AuthenticationRefused extends Error {}

/** Who sends a request. Throws {@link AuthenticationRefused}. A good cookie counts more than an API token. */
export function authenticate(cluster: ClusterState, headers: AuthenticationHeaders, isRead: boolean, nowMs: number): AuthenticatedUser {
  const ticket = findCookie(headers.cookie ?? "", "PVEAuthCookie");
  if (ticket !== undefined) {
    const userid = verifyTicket(cluster, ticket, nowMs);
    if (userid === undefined || !isActiveUser(cluster, userid, nowMs)) throw new AuthenticationRefused("Authentication failed!");
    if (!isRead && !isCsrfToken(cluster, headers.csrfToken ?? "", userid, nowMs)) {
      throw new AuthenticationRefused("Permission denied - invalid csrf token");
    }
    return { authid: userid, userid, isToken: false, isRoot: userid === "root@pam" };
  }
  const token = /^PVEAPIToken[= ](.*)$/.exec(headers.authorization ?? "")?.[1];
  if (token === undefined) throw new AuthenticationRefused("No ticket");
  const user = verifyToken(cluster, token, nowMs);
  if (!user) throw new AuthenticationRefused("Authentication failed!");
  return user;
}

/** Whether this user may log in with this password; a valid ticket of the user's is a password too. */
export function isPassword(cluster: ClusterState, userid: string, password: string, nowMs: number): boolean {
  if (!isActiveUser(cluster, userid, nowMs)) return false;
  if (verifyTicket(cluster, password, nowMs) === userid) return true;
  const expected = cluster.access.users[userid]?.password;
  return expected !== undefined && sameText(expected, password);
}

export function issueTicket(cluster: ClusterState, userid: string, nowMs: number): { ticket: string; csrfToken: string } {
  const time = hexSeconds(nowMs);
  const plain = `PVE:${userid}:${time}`;
  return { ticket: `${plain}::${sign(cluster, plain)}`, csrfToken: `${time}:${sign(cluster, `CSRF:${userid}:${time}`)}` };
}

/** The user a ticket belongs to, `undefined` when it is forged, damaged or too old. */
export function verifyTicket(cluster: ClusterState, ticket: string, nowMs: number): string | undefined {
  const match = /^(PVE:([^:\s]+@[^:\s]+):([0-9A-F]{8}))::(.+)$/.exec(ticket);
  if (!match) return undefined;
  const [, plain = "", userid = "", time = "", signature = ""] = match;
  return isFresh(time, nowMs) && sameText(signature, sign(cluster, plain)) ? userid : undefined;
}

function isCsrfToken(cluster: ClusterState, token: string, userid: string, nowMs: number): boolean {
  const match = /^([0-9A-F]{8}):(.+)$/.exec(token);
  if (!match) return false;
  const [, time = "", signature = ""] = match;
  return isFresh(time, nowMs) && sameText(signature, sign(cluster, `CSRF:${userid}:${time}`));
}

function verifyToken(cluster: ClusterState, credentials: string, nowMs: number): AuthenticatedUser | undefined {
  const split = /^([^=]+![^=]+)=(.+)$/.exec(credentials);
  if (!split) return undefined;
  const [, authid = "", secret = ""] = split;
  const { userid } = splitAuthid(authid);
  const token = cluster.access.tokens[authid];
  if (!token || !isActiveUser(cluster, userid, nowMs)) return undefined;
  if (token.expire !== 0 && token.expire * 1000 <= nowMs) return undefined;
  return sameText(token.secret, secret) ? { authid, userid, isToken: true, isRoot: false } : undefined;
}

function isFresh(hexTime: string, nowMs: number): boolean {
  const ageSeconds = Math.floor(nowMs / 1000) - Number.parseInt(hexTime, 16);
  return ageSeconds >= -clockSkewSeconds && ageSeconds < ticketLifetimeSeconds;
}

function hexSeconds(nowMs: number): string {
  return Math.floor(nowMs / 1000)
    .toString(16)
    .toUpperCase()
    .padStart(8, "0");
}

function sign(cluster: ClusterState, text: string): string {
  return createHmac("sha256", cluster.access.ticketKey).update(`${cluster.id}:${text}`).digest("base64");
}

function sameText(left: string, right: string): boolean {
  const a = Buffer.from(left);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}

function findCookie(header: string, name: string): string | undefined {
  for (const part of header.split(";")) {
    const [key, ...value] = part.trim().split("=");
    if (key === name) return decodePercent(value.join("="));
  }
  return undefined;
}

/** Leaves malformed escapes as they are, as Perl's `uri_unescape` does. */
export function decodePercent(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  // Escapes are bytes of UTF-8, everything else in a URL is ASCII.
  return [...bytes].every((char) => char.charCodeAt(0) < 256) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}
