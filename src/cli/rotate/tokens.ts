/** API tokens and their grants on one cluster. */
import type { CallOptions, ProxmoxApi } from "../../proxmox";

export interface TokenId {
  /** `iac@pve` */
  user: string;
  /** What comes after the `!`. */
  name: string;
}

export interface Token {
  name: string;
  comment?: string;
  /** Unix time; 0: never. */
  expire: number;
  /** It has grants of its own, below those of its user. */
  separated: boolean;
}

interface AclEntry {
  path: string;
  roleid: string;
  ugid: string;
  type: string;
  propagate?: number | string;
}

export function splitTokenId(id: string): TokenId {
  const [user = "", name = ""] = id.split("!", 2);
  return { user, name };
}

export function joinTokenId({ user, name }: TokenId): string {
  return `${user}!${name}`;
}

/** `federation` of `federation-2`. */
function baseOf(name: string): string {
  return name.replace(/-\d+$/, "");
}

/** `federation` → `federation-2` → `federation-3`, past those that exist. */
export function nextName(name: string, taken: readonly string[]): string {
  const base = baseOf(name);
  let number = Number(/-(\d+)$/.exec(name)?.[1] ?? 1) + 1;
  while (taken.includes(`${base}-${number}`)) number += 1;
  return `${base}-${number}`;
}

/** What the product writes into the comment of a token that it has made, that a federation file names, or that another one replaces. */
const MADE = "made by federate rotate";
export const USED = "in use, made by federate rotate";
export const REPLACED = "replaced by federate rotate";

/** Tokens that earlier rotations of this one have left. The user may have others, which other federation files rotate. */
export function leftBy(current: string, tokens: readonly Token[]): Token[] {
  return tokens.filter(
    ({ name, comment }) => name !== current && baseOf(name) === baseOf(current) && (comment === REPLACED || comment === MADE),
  );
}

function pathOf({ user, name }: TokenId): string {
  return `/access/users/${encodeURIComponent(user)}/token/${encodeURIComponent(name)}`;
}

export async function listTokens(api: ProxmoxApi, user: string, options?: CallOptions): Promise<Token[]> {
  const rows = await api.request<{ tokenid: string; comment?: string; expire?: number | string; privsep?: number | string }[]>(
    "GET",
    `/access/users/${encodeURIComponent(user)}/token`,
    {},
    options,
  );
  return rows.map(({ tokenid, comment, expire, privsep }) => ({
    name: tokenid,
    ...(comment === undefined ? {} : { comment }),
    expire: Number(expire ?? 0),
    separated: Number(privsep ?? 1) === 1,
  }));
}

/** @returns the secret, which Proxmox tells this once only */
export async function createToken(api: ProxmoxApi, id: TokenId, like: Token): Promise<string> {
  const { value } = await api.request<{ value: string }>("POST", pathOf(id), {
    privsep: like.separated,
    expire: like.expire,
    comment: MADE,
  });
  return value;
}

export async function setComment(api: ProxmoxApi, id: TokenId, comment: string): Promise<void> {
  await api.request("PUT", pathOf(id), { comment });
}

/** Its grants go with it. */
export async function deleteToken(api: ProxmoxApi, id: TokenId): Promise<void> {
  await api.request("DELETE", pathOf(id));
}

/** Gives the new token every grant that the old one has of its own. */
export async function copyGrants(api: ProxmoxApi, from: TokenId, to: TokenId): Promise<void> {
  const entries = await api.request<AclEntry[]>("GET", "/access/acl");
  for (const { path, roleid, propagate } of entries.filter(({ type, ugid }) => type === "token" && ugid === joinTokenId(from)))
    await api.request("PUT", "/access/acl", { path, roles: roleid, tokens: joinTokenId(to), propagate: Number(propagate ?? 1) === 1 });
}
