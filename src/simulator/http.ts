/** HTTP as pveproxy speaks it: what it reads from a request and how it writes an answer. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { decodePercent } from "./authentication";
import type { RawParameters } from "./parameters";

/** Larger bodies are refused. */
const maxBodyBytes = 512 * 1024;

/** A request the proxy refuses before it looks at credentials; plain text. */
export class RequestRefused extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** An empty body in place of the message. */
    readonly silent = false,
  ) {
    super(message);
  }
}

export interface ApiPath {
  format: "json" | "extjs";
  /** Decoded, begins with a slash, no slash at the end. */
  path: string;
  query: string;
}

/** The API path of a request target. Throws {@link RequestRefused} for anything outside the API. */
export function parseTarget(target: string): ApiPath {
  const relative = /^https?:\/\//.test(target) ? target.replace(/^https?:\/\/[^/]*/, "") : target;
  const question = relative.indexOf("?");
  const raw = question < 0 ? relative : relative.slice(0, question);
  const query = question < 0 ? "" : relative.slice(question + 1);
  const path = decodePercent(raw).replaceAll(/\/+/g, "/");
  const match = /^\/api2\/([a-z0-9]+)(\/.*)?$/.exec(path);
  if (!match) throw new RequestRefused(500, `no such file '${path}'\n`);
  const [, format = "", rest = "/"] = match;
  const inner = rest === "/" ? "/" : rest.replace(/\/$/, "");
  if (format !== "json" && format !== "extjs") throw new RequestRefused(501, `no formatter for uri ${inner}, ${format}`);
  return { format, path: inner, query };
}

const bodyTypes = /^(?:application\/x-www-form-urlencoded|application\/json|multipart\/form-data)\b/;

/** Refuses what pveproxy refuses from the headers alone. */
export function checkRequestHead(request: IncomingMessage): void {
  const method = request.method ?? "";
  if (!["GET", "POST", "PUT", "DELETE"].includes(method)) throw new RequestRefused(501, `method '${method}' not available`, true);
  if (request.headers["transfer-encoding"]) throw new RequestRefused(501, "chunked transfer encoding not supported");
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > 0 && (method === "GET" || method === "DELETE")) throw new RequestRefused(501, `Unexpected content for method '${method}'`);
  if (length > maxBodyBytes) throw new RequestRefused(501, "for data too large");
  const type = request.headers["content-type"];
  if (length > 0 && type !== undefined && !bodyTypes.test(type))
    throw new RequestRefused(506, `upload 'Content-Type '${type}' not implemented`);
}

/** Query and body together; a repeated key is an array. */
export async function readParameters(request: IncomingMessage, query: string): Promise<RawParameters> {
  const parameters = parseForm(query);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString("utf8");
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim();
  if (type === "application/json") return { ...parameters, ...parseJson(body) };
  return body === "" ? parameters : mergeForms(parameters, parseForm(body));
}

function parseJson(body: string): RawParameters {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new RequestRefused(
      500,
      'malformed JSON string, neither tag, array, object, number, string or atom, at character offset 0 (before "(end of string)") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.\n',
    );
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new RequestRefused(500, "Not a HASH reference at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 978.\n");
  }
  return parsed as RawParameters;
}

function parseForm(text: string): RawParameters {
  const parameters: RawParameters = {};
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const key = decodeForm(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? "" : decodeForm(pair.slice(equals + 1));
    addValue(parameters, key, value);
  }
  return parameters;
}

function mergeForms(left: RawParameters, right: RawParameters): RawParameters {
  const merged = { ...left };
  for (const [key, value] of Object.entries(right)) {
    for (const item of Array.isArray(value) ? value : [value]) addValue(merged, key, item);
  }
  return merged;
}

function addValue(parameters: RawParameters, key: string, value: unknown): void {
  const present = Object.hasOwn(parameters, key) ? parameters[key] : undefined;
  parameters[key] = present === undefined ? value : Array.isArray(present) ? [...present, value] : [present, value];
}

function decodeForm(text: string): string {
  return decodePercent(text.replaceAll("+", " "));
}

export interface Answer {
  status: number;
  /** May have several lines: the first becomes the reason phrase. */
  reason: string;
  body: { json: unknown } | { text: string; type: string } | undefined;
}

/** Writes an answer. Everything but 200 closes the connection. */
export function writeAnswer(response: ServerResponse, answer: Answer): void {
  const headers: Record<string, string | number> = {
    "Cache-Control": "max-age=0",
    Pragma: "no-cache",
    Server: "pve-api-daemon/3.0",
    Connection: answer.status === 200 ? "Keep-Alive" : "close",
  };
  let body = "";
  if (answer.body && "json" in answer.body) {
    body = JSON.stringify(answer.body.json);
    headers["Content-Type"] = "application/json;charset=UTF-8";
  } else if (answer.body) {
    body = answer.body.text;
    headers["Content-Type"] = answer.body.type;
  }
  headers["Content-Length"] = Buffer.byteLength(body);
  response.writeHead(answer.status, reasonPhrase(answer.reason), headers);
  response.end(body);
}

/** First line of a message, as bytes that a status line can carry. */
function reasonPhrase(message: string): string {
  const line = message.split("\n")[0] ?? "";
  const bytes = Buffer.from(line, "utf8").toString("latin1");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly the characters node refuses in a status line
  return bytes.replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f]/g, "?");
}
