/** `federate rotate`: a new token per cluster, tried, before the old one is revoked. */
import path from "node:path";
import type { Cluster, Connection, CredentialEnvironment } from "../../config";
import { connectAs, withinDeadline } from "../../inventory";
import type { Permissions, ProxmoxApi } from "../../proxmox";
import { credentialEnvironment, loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import { describeFailure, UsageError } from "../failure";
import { type CliIo, painterFor, printable } from "../io";
import { keepSecret, writeTokenId } from "./keep";
import {
  copyGrants,
  createToken,
  deleteToken,
  joinTokenId,
  leftBy,
  listTokens,
  nextName,
  REPLACED,
  setComment,
  splitTokenId,
  type TokenId,
  USED,
} from "./tokens";

export interface RotateOptions {
  /** Ids; empty: all clusters that use a token. */
  cluster: string[];
  /** User that may make tokens and grant privileges. */
  admin: string;
  /** File for secrets that come from the environment or from Pulumi. */
  secrets: string;
  /** Leave old tokens valid. */
  keepOld?: boolean;
  dryRun?: boolean;
}

/** The administrator's password; one cluster's may differ: `FEDERATE_ADMIN_PASSWORD_WORLDSTREAM_PROD`. */
const PASSWORD = "FEDERATE_ADMIN_PASSWORD";

export class RotationError extends Error {
  readonly code = "ROTATION";
}

type Rotatable = Cluster & { connection: Connection & { credentials: { kind: "token" } } };

export async function rotate(file: string, options: RotateOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const clusters = chosen(federation.clusters, options.cluster);
  const paint = painterFor(io.stderr);
  const codes: ExitCode[] = [];
  // One after the other: whoever watches can stop after the first that goes wrong.
  for (const cluster of clusters) {
    try {
      await rotateCluster(file, cluster, options, io);
    } catch (error) {
      const { message, exitCode } = describeFailure(error);
      io.stderr.write(`${paint("red", `${cluster.id}:`)} ${printable(message)}\n`);
      codes.push(exitCode);
    }
  }
  return worstOf([EXIT.ok, ...codes]);
}

function chosen(clusters: readonly Cluster[], wanted: readonly string[]): Rotatable[] {
  const unknown = wanted.find((id) => !clusters.some((cluster) => cluster.id === id));
  if (unknown !== undefined)
    throw new UsageError(`there is no cluster ${unknown}. The file declares ${clusters.map(({ id }) => id).join(", ")}.`);
  const usable = clusters.filter(
    (cluster): cluster is Rotatable => cluster.connection?.credentials.kind === "token" && cluster.status !== "lost",
  );
  const without = wanted.find((id) => !usable.some((cluster) => cluster.id === id));
  if (without !== undefined) throw new UsageError(`cluster ${without} uses no API token that could be rotated.`);
  return wanted.length === 0 ? usable : usable.filter(({ id }) => wanted.includes(id));
}

async function rotateCluster(file: string, cluster: Rotatable, options: RotateOptions, io: CliIo): Promise<void> {
  const say = (text: string) => io.stdout.write(`${printable(`${cluster.id}: ${text}`)}\n`);
  const { credentials } = cluster.connection;
  if (credentials.secret.kind === "inline")
    throw new RotationError(`its token_secret stands in ${file} itself. Move it to token_secret_file, then run again.`);
  const environment = credentialEnvironment(file, io);
  const oldId =
    credentials.tokenIdFile === undefined
      ? credentials.tokenId
      : (await environment.readFile(path.resolve(environment.baseDir, credentials.tokenIdFile))).trim();
  const old = splitTokenId(oldId);
  const administrator = { kind: "password", username: options.admin, password: passwordFor(cluster, io) } as const;
  const admin = await connectAs(cluster.id, cluster.connection, administrator, environment);
  try {
    const tokens = await withinDeadline(cluster, (options) => listTokens(admin, old.user, options));
    const current = tokens.find(({ name }) => name === old.name);
    if (!current)
      throw new RotationError(`token ${oldId} does not exist there. Set token_id to one that does, or make it anew by docs/privileges.md.`);
    const fresh: TokenId = {
      user: old.user,
      name: nextName(
        old.name,
        tokens.map(({ name }) => name),
      ),
    };
    const leftovers = leftBy(old.name, tokens);
    if (options.dryRun === true) {
      say(
        `would make ${joinTokenId(fresh)} with the grants of ${oldId}${options.keepOld === true ? "" : `, and revoke ${[old.name, ...leftovers.map(({ name }) => name)].join(", ")}`}`,
      );
      return;
    }
    const secret = await createToken(admin, fresh, current);
    if (current.separated) await copyGrants(admin, old, fresh);
    await proveEqual(cluster, environment, admin, old, fresh, secret);
    // Before anything names the new one: whenever this is interrupted, the next run revokes what is then one too many.
    await setComment(admin, old, REPLACED);
    const todo = await keepSecret(credentials.secret, secret, options.secrets, environment.baseDir);
    await writeTokenId(file, cluster, joinTokenId(fresh));
    await setComment(admin, fresh, USED);
    say(`${joinTokenId(fresh)} is in use${todo === undefined ? "" : `: ${todo}`}`);
    if (options.keepOld === true) return;
    for (const name of [old.name, ...leftovers.map((token) => token.name)]) {
      await deleteToken(admin, { user: old.user, name });
      say(`${joinTokenId({ user: old.user, name })} is revoked`);
    }
  } finally {
    await admin.close();
  }
}

function passwordFor({ id }: Cluster, io: CliIo): string {
  const own = `${PASSWORD}_${id.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}`;
  const password = io.environment[own] || io.environment[PASSWORD];
  if (password) return password;
  throw new UsageError(`an administrator's password is needed to make tokens: set ${PASSWORD}, or ${own} for this cluster.`);
}

/** A token that may do less would fail in the middle of a move: it has to have exactly the same privileges before it is used. */
async function proveEqual(
  cluster: Rotatable,
  environment: CredentialEnvironment,
  admin: ProxmoxApi,
  old: TokenId,
  fresh: TokenId,
  secret: string,
): Promise<void> {
  const token = { kind: "token", tokenId: joinTokenId(fresh), secret } as const;
  const api = await connectAs(cluster.id, cluster.connection, token, environment);
  try {
    const [mine, wanted] = await Promise.all([
      api.getPermissions(),
      admin.request<Permissions>("GET", "/access/permissions", { userid: joinTokenId(old) }),
    ]);
    const missing = Object.entries(wanted).flatMap(([where, privileges]) =>
      Object.keys(privileges)
        .filter((privilege) => mine[where]?.[privilege] === undefined)
        .map((privilege) => `${privilege} on ${where}`),
    );
    if (missing.length === 0) return;
    await deleteToken(admin, fresh);
    throw new RotationError(`the new token lacks ${missing.slice(0, 5).join(", ")}: it was removed again, and the old one stays in use.`);
  } finally {
    await api.close();
  }
}
