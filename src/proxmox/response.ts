import { type Classify, classifyResponse, type Refusal } from "./classify";
import {
  AgentUnavailableError,
  AlreadyExistsError,
  AlreadyRunningError,
  AuthenticationError,
  type CallContext,
  ConnectionError,
  DigestError,
  type ErrorDetails,
  LockedError,
  NotFoundError,
  NotImplementedError,
  NotRunningError,
  OutcomeUnknownError,
  ParameterError,
  PermissionError,
  type ProxmoxError,
  QuorumError,
  RefusedError,
  RequestTimeoutError,
  UnexpectedResponseError,
} from "./errors";
import type { Redact } from "./redact";
import type { WireResponse } from "./transport";

/** What is needed to read an answer: the call it belongs to and how to keep secrets out of errors. */
export interface ResponseReader {
  context: CallContext;
  /** True for reads and logins: a lost answer leaves no open question. */
  repeatable: boolean;
  redact: Redact;
  /** Default: Proxmox VE's. */
  classify?: Classify;
}

export const lookFirst = "It may have been done all the same: look for its task or its result before repeating it.";

/** `data` of a good answer; throws the error class a bad one stands for. */
export function readResponse(response: WireResponse, reader: ResponseReader): unknown {
  if (isProxyFailure(response.status)) throw proxyFailure(response, reader);
  if (response.status >= 300 && response.status < 400) throw unexpected(response, reader, "redirected");
  if (isHtml(response)) throw unexpected(response, reader, "answered with an HTML page");
  if (response.status !== 200) throw refusal(response, reader);
  const envelope = parseEnvelope(response.body);
  if (envelope === undefined || !("data" in envelope))
    throw unexpected(response, reader, "answered with something else than the API's JSON");
  return envelope.data;
}

/** 595–599 are the API proxy's own codes for a daemon or node behind it; 502–504 those of a proxy in front. */
function isProxyFailure(status: number): boolean {
  return (status >= 595 && status <= 599) || (status >= 502 && status <= 504);
}

function proxyFailure(response: WireResponse, { context, repeatable, redact }: ResponseReader): ProxmoxError {
  const reason = redact(response.reason.trim());
  const details: ErrorDetails = {
    context,
    status: response.status,
    proxmoxMessage: `${response.status} ${reason}`.trim(),
    summary: "Cannot reach the daemon behind the API",
  };
  if (response.status === 595) return new ConnectionError({ ...details, advice: "The node is down, or its daemon is." });
  if (!repeatable) return new OutcomeUnknownError({ ...details, summary: "The answer to a change was lost", advice: lookFirst });
  if (response.status === 504 || /timed? ?out/i.test(reason)) return new RequestTimeoutError({ ...details, summary: "No answer in time" });
  return new ConnectionError(details);
}

function unexpected(response: WireResponse, { context, repeatable, redact }: ResponseReader, how: string): ProxmoxError {
  const details = { context, status: response.status, proxmoxMessage: redact(response.reason.trim()) };
  const location = response.headers.location;
  const target = typeof location === "string" ? ` to ${redact(location)}` : "";
  if (!repeatable && (response.status >= 500 || (response.status === 200 && !isHtml(response)))) {
    return new OutcomeUnknownError({ ...details, summary: `The answer to a change is unreadable: the server ${how}`, advice: lookFirst });
  }
  return new UnexpectedResponseError({
    ...details,
    summary: `The server ${how}${target} (status ${response.status})`,
    advice: "This may not be a Proxmox VE API: check the URL; the API listens on port 8006.",
  });
}

function isHtml(response: WireResponse): boolean {
  return String(response.headers["content-type"] ?? "").startsWith("text/html");
}

interface Envelope {
  data?: unknown;
  message?: unknown;
  errors?: unknown;
}

function parseEnvelope(body: string): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Envelope) : undefined;
  } catch {
    return undefined;
  }
}

function refusal(response: WireResponse, reader: ResponseReader): ProxmoxError {
  const { context, redact, classify = classifyResponse } = reader;
  const envelope = parseEnvelope(response.body);
  // The phrase has the first line only; before PVE 8.4 the body has no message at all. A backup server's body is the text.
  const text = envelope === undefined ? response.body.trim() : "";
  const message = typeof envelope?.message === "string" ? envelope.message.trim() : text || response.reason.trim();
  const errors = parameterErrors(envelope?.errors, redact);
  const meaning = classify(response.status, message, errors, context.path);
  const perParameter = Object.entries(errors).map(([parameter, text]) => `${parameter}: ${text}`);
  const proxmoxMessage = perParameter.length > 0 ? perParameter.join("; ") : redact(message);
  return errorOf(meaning, { context, status: response.status, proxmoxMessage, summary: "Proxmox refused the call" }, errors);
}

function parameterErrors(errors: unknown, redact: Redact): Record<string, string> {
  if (typeof errors !== "object" || errors === null) return {};
  return Object.fromEntries(Object.entries(errors).map(([parameter, text]) => [parameter, redact(String(text).trim())]));
}

const rootOnly = "Only root@pam with a password may do this; no API token can, not even one of root@pam.";

function permissionAdvice(meaning: Extract<Refusal, { code: "PERMISSION" }>): string | undefined {
  if (meaning.aclPath === undefined) return undefined;
  const wanted = meaning.privileges.join(meaning.anyOf ? " or " : " and ");
  return `Grant ${wanted} on ${meaning.aclPath} or a path above it; a token with privilege separation needs the entry itself.`;
}

function errorOf(meaning: Refusal | undefined, details: ErrorDetails, errors: Record<string, string>): ProxmoxError {
  switch (meaning?.code) {
    case undefined:
      return new RefusedError(details);
    case "AUTHENTICATION":
      return new AuthenticationError({ ...details, summary: "Login refused", advice: "Check the credentials of this cluster." });
    case "PERMISSION": {
      const isRootOnly = /only root|Only root|user != root@pam|need proper ticket/.test(details.proxmoxMessage ?? "");
      return new PermissionError({
        ...details,
        summary: "Permission missing",
        advice: isRootOnly ? rootOnly : permissionAdvice(meaning),
        aclPath: meaning.aclPath,
        privileges: meaning.privileges,
        anyOf: meaning.anyOf,
      });
    }
    case "PARAMETER":
      return new ParameterError({ ...details, summary: "Proxmox refused a parameter", errors });
    case "NOT_FOUND":
      return new NotFoundError({ ...details, summary: `No such ${meaning.what}: ${meaning.id}`, what: meaning.what, id: meaning.id });
    case "ALREADY_EXISTS":
      return new AlreadyExistsError({ ...details, summary: "It exists already" });
    case "LOCKED":
      return new LockedError({
        ...details,
        summary: meaning.lockFile ? "A lock could not be had in time" : `Locked (${meaning.lock})`,
        advice: meaning.lockFile
          ? "Another operation holds it; nothing was done, repeat later."
          : 'If no task holds it any more, an administrator must run "qm unlock" on the node: a token cannot.',
        lock: meaning.lock,
        lockFile: meaning.lockFile,
      });
    case "DIGEST":
      return new DigestError({ ...details, summary: "The configuration changed meanwhile", advice: "Read it again, then repeat." });
    case "NO_QUORUM":
      return new QuorumError({
        ...details,
        summary: "The cluster has no quorum",
        advice: "Changes work again when enough nodes are back.",
      });
    case "NOT_RUNNING":
      return new NotRunningError({ ...details, summary: "The guest is not running" });
    case "ALREADY_RUNNING":
      return new AlreadyRunningError({ ...details, summary: "The guest is running already" });
    case "AGENT_UNAVAILABLE":
      return new AgentUnavailableError({ ...details, summary: "The guest agent does not answer" });
    case "NOT_IMPLEMENTED":
      return new NotImplementedError({ ...details, summary: "This version of Proxmox VE has no such call" });
  }
}
