import type { Clock } from "./clock";
import { AuthenticationError, type CallContext, isProxmoxError } from "./errors";

export type Credentials =
  /** `tokenId` is `user@realm!name`. */
  | { kind: "token"; tokenId: string; secret: string }
  /** `username` is `user@realm`. */
  | { kind: "password"; username: string; password: string };

/** `POST /access/ticket`: the `data` of its answer. The password may be a ticket that is still good. */
export type Login = (username: string, password: string) => Promise<unknown>;

/** Proof of identity for one call. */
export interface Identity {
  headers(method: CallContext["method"]): Record<string, string>;
  /** Never to appear in an error. */
  secrets: readonly string[];
}

/** How one of Proxmox's products wants to be told who calls. */
export interface AuthenticationScheme {
  tokenIdPattern: RegExp;
  /** Value of the header `Authorization`. */
  authorization(tokenId: string, secret: string): string;
  /** Name of the ticket's cookie. */
  cookie: string;
  /** For "this may not be a … API". */
  product: string;
}

export const proxmoxVeScheme: AuthenticationScheme = {
  tokenIdPattern: /^[^\s:/@!]+@[A-Za-z][\w.-]*![A-Za-z][\w.-]+$/,
  authorization: (tokenId, secret) => `PVEAPIToken=${tokenId}=${secret}`,
  cookie: "PVEAuthCookie",
  product: "Proxmox VE",
};

export interface Authentication {
  /** Logs in when needed. */
  identify(login: Login): Promise<Identity>;
  /** After a 401 with `refused`: another identity to try once, or `undefined` when there is none. */
  replace(refused: Identity, login: Login): Promise<Identity | undefined>;
  /** Secrets known before any login. */
  readonly secrets: readonly string[];
}

export function createAuthentication(
  credentials: Credentials,
  clock: Pick<Clock, "nowMs">,
  context: { cluster: string; system?: string },
  scheme: AuthenticationScheme = proxmoxVeScheme,
): Authentication {
  return credentials.kind === "token"
    ? tokenAuthentication(credentials, scheme)
    : new TicketAuthentication(credentials, clock, context, scheme);
}

function tokenAuthentication({ tokenId, secret }: { tokenId: string; secret: string }, scheme: AuthenticationScheme): Authentication {
  if (!scheme.tokenIdPattern.test(tokenId)) {
    throw new TypeError(`"${tokenId}" is not an API token id: it has the form user@realm!name.`);
  }
  // Anything else cannot stand in a header; the value itself must not be repeated.
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw new TypeError(`The secret of API token ${tokenId} is empty or holds blanks or special characters.`);
  const identity: Identity = { headers: () => ({ authorization: scheme.authorization(tokenId, secret) }), secrets: [secret] };
  return { identify: () => Promise.resolve(identity), replace: () => Promise.resolve(undefined), secrets: [secret] };
}

interface Session {
  identity: Identity;
  ticket: string;
  obtainedAtMs: number;
}

/** A ticket lives two hours; half of that leaves time for a call that takes long to start. */
const renewAfterMs = 60 * 60_000;
const lifetimeMs = 2 * 60 * 60_000;

class TicketAuthentication implements Authentication {
  readonly #username: string;
  readonly #password: string;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #context: { cluster: string; system?: string };
  readonly #scheme: AuthenticationScheme;
  #session: Session | undefined;
  /** Calls that need a ticket at the same time share one login. */
  #inFlight: Promise<Session> | undefined;

  constructor(
    { username, password }: { username: string; password: string },
    clock: Pick<Clock, "nowMs">,
    context: { cluster: string; system?: string },
    scheme: AuthenticationScheme,
  ) {
    this.#username = username;
    this.#password = password;
    this.#clock = clock;
    this.#context = context;
    this.#scheme = scheme;
  }

  get secrets(): readonly string[] {
    return [this.#password, ...(this.#session?.identity.secrets ?? [])];
  }

  async identify(login: Login): Promise<Identity> {
    const session = this.#session;
    if (session !== undefined && this.#clock.nowMs() - session.obtainedAtMs < renewAfterMs) return session.identity;
    return (await this.#once(() => (session === undefined ? this.#login(login) : this.#renew(session, login)))).identity;
  }

  async replace(refused: Identity, login: Login): Promise<Identity | undefined> {
    const session = this.#session;
    if (session !== undefined && session.identity !== refused) return session.identity;
    return (await this.#once(() => this.#login(login))).identity;
  }

  #once(start: () => Promise<Session>): Promise<Session> {
    this.#inFlight ??= start().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #renew(session: Session, login: Login): Promise<Session> {
    if (this.#clock.nowMs() - session.obtainedAtMs >= lifetimeMs) return this.#login(login);
    try {
      return this.#accept(await login(this.#username, session.ticket));
    } catch (error) {
      // A cluster whose ticket key was rotated forgets tickets early; the password still counts.
      if (!isProxmoxError(error, "AUTHENTICATION")) throw error;
      return this.#login(login);
    }
  }

  async #login(login: Login): Promise<Session> {
    return this.#accept(await login(this.#username, this.#password));
  }

  #accept(data: unknown): Session {
    const answer = (typeof data === "object" && data !== null ? data : {}) as Record<string, unknown>;
    const { ticket, CSRFPreventionToken: csrf } = answer;
    if (answer.NeedTFA || (typeof ticket === "string" && /^P[VB][ES]:!tfa!/.test(ticket))) {
      throw this.#error(`User ${this.#username} needs a second factor to log in`, "Use an API token: those need none.");
    }
    if (typeof ticket !== "string" || typeof csrf !== "string") {
      throw this.#error("The login gave no ticket", `This may not be a ${this.#scheme.product} API.`);
    }
    const secrets = [this.#password, ticket, csrf];
    const identity: Identity = {
      headers: (method) => ({ cookie: `${this.#scheme.cookie}=${ticket}`, ...(method === "GET" ? {} : { csrfpreventiontoken: csrf }) }),
      secrets,
    };
    this.#session = { identity, ticket, obtainedAtMs: this.#clock.nowMs() };
    return this.#session;
  }

  #error(summary: string, advice: string): AuthenticationError {
    return new AuthenticationError({ summary, advice, context: { ...this.#context, method: "POST", path: "/access/ticket" } });
  }
}
