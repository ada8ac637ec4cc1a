/** Tickets and API tokens of a Proxmox Backup Server. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { decodePercent } from "../authentication";
import { userOf } from "./permissions";
import type { BackupServerState } from "./state";

const ticketLifetimeSeconds = 2 * 60 * 60;

/** 401 `authentication failed - …`, three seconds late. */
export class LoginRefused extends Error {}

export interface PbsHeaders {
  cookie?: string;
  authorization?: string;
  csrfToken?: string;
}

/** The id (`user@realm` or `user@realm!name`) behind a request. Throws {@link LoginRefused}. */
export function authenticate(server: BackupServerState, headers: PbsHeaders, isRead: boolean, nowMs: number): string {
  const cookie = /(?:^|;\s*)(?:__Host-)?PBSAuthCookie=([^;]*)/.exec(headers.cookie ?? "")?.[1];
  if (cookie !== undefined) {
    const userid = verifyTicket(server, decodePercent(cookie), nowMs);
    if (userid === undefined) throw new LoginRefused("invalid ticket");
    if (!isRead && !isCsrfToken(server, headers.csrfToken ?? "", userid, nowMs)) throw new LoginRefused("invalid csrf token");
    return userid;
  }
  const token = /^PBSAPIToken[= ](.*)$/.exec(headers.authorization ?? "")?.[1];
  if (token === undefined) throw new LoginRefused("no authentication credentials provided.");
  return verifyToken(server, token);
}

/** The id of `user@realm!name:secret`; tokens of remotes come in two parts instead. */
export function verifyToken(server: BackupServerState, credentials: string): string {
  const [, authid = "", secret = ""] = /^([^:]+![^:]+):(.+)$/.exec(credentials) ?? [];
  if (authid === "") throw new LoginRefused("failed to parse authorization header");
  const known = server.access.tokens[authid];
  if (!known || !server.access.users[userOf(authid)]) throw new LoginRefused("user account or token disabled or expired.");
  if (!sameText(known.secret, secret)) throw new LoginRefused("invalid API token");
  return authid;
}

export function isPassword(server: BackupServerState, userid: string, password: string, nowMs: number): boolean {
  const user = server.access.users[userid];
  if (!user) return false;
  return verifyTicket(server, password, nowMs) === userid || (user.password !== undefined && sameText(user.password, password));
}

export function issueTicket(server: BackupServerState, userid: string, nowMs: number): { ticket: string; csrfToken: string } {
  const time = hexSeconds(nowMs);
  const plain = `PBS:${userid}:${time}`;
  return { ticket: `${plain}::${sign(server, plain)}`, csrfToken: `${time}:${sign(server, `CSRF:${userid}:${time}`)}` };
}

function verifyTicket(server: BackupServerState, ticket: string, nowMs: number): string | undefined {
  const [, plain = "", userid = "", time = "", signature = ""] = /^(PBS:([^:\s]+@[^:\s]+):([0-9A-F]{8}))::(.+)$/.exec(ticket) ?? [];
  return plain !== "" && isFresh(time, nowMs) && sameText(signature, sign(server, plain)) ? userid : undefined;
}

function isCsrfToken(server: BackupServerState, token: string, userid: string, nowMs: number): boolean {
  const [, time = "", signature = ""] = /^([0-9A-F]{8}):(.+)$/.exec(token) ?? [];
  return time !== "" && isFresh(time, nowMs) && sameText(signature, sign(server, `CSRF:${userid}:${time}`));
}

function isFresh(hexTime: string, nowMs: number): boolean {
  const ageSeconds = Math.floor(nowMs / 1000) - Number.parseInt(hexTime, 16);
  return ageSeconds >= -300 && ageSeconds < ticketLifetimeSeconds;
}

function hexSeconds(nowMs: number): string {
  return Math.floor(nowMs / 1000)
    .toString(16)
    .toUpperCase()
    .padStart(8, "0");
}

function sign(server: BackupServerState, text: string): string {
  return createHmac("sha256", server.access.ticketKey).update(`${server.id}:${text}`).digest("base64");
}

function sameText(left: string, right: string): boolean {
  const a = Buffer.from(left);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}
