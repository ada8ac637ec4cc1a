/** One API endpoint seen from here, before any credential is sent: can it be reached, how far is it, who is it, what time is it there. */
import { once } from "node:events";
import { get } from "node:https";
import { connect, isIP, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { TLSSocket } from "node:tls";

export type EndpointProbe =
  | { url: string; reachable: false; reason: string }
  | {
      url: string;
      reachable: true;
      /** Fastest of a few TCP handshakes. */
      roundTripMs: number;
      /** SHA-256 of the certificate, `AA:BB:…`. */
      fingerprint: string;
      /** Why the certificate is not trusted by the authority given, or by the system's; absent: it is. */
      distrust?: string;
      certificateExpiresMs: number;
      /** Its clock less ours, to about half a second; absent: it names no time. */
      clockSkewMs?: number;
    };

export interface ProbeOptions {
  timeoutMs: number;
  /** PEM of the authority that should have signed the certificate. */
  ca?: string;
}

/** The fastest counts: everything but the line only ever adds to it. */
const HANDSHAKES = 5;

export type RoundTrip = { roundTripMs: number } | { reason: string };

/** Never rejects. To be measured before this process has anything else to do: its own work would count as distance. */
export async function measureRoundTrip(url: string, { timeoutMs }: ProbeOptions): Promise<RoundTrip> {
  const { port } = new URL(url);
  return orReason(timeoutMs, async (signal) => {
    let roundTripMs = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < HANDSHAKES; attempt++) {
      roundTripMs = Math.min(roundTripMs, await handshakeMs(hostOf(url), Number(port || 443), signal));
    }
    return { roundTripMs };
  });
}

/** Never rejects: an endpoint that cannot be reached is an answer. */
export async function probeEndpoint(url: string, roundTrip: RoundTrip, { timeoutMs, ca }: ProbeOptions): Promise<EndpointProbe> {
  if ("reason" in roundTrip) return { url, reachable: false, reason: roundTrip.reason };
  const greeting = await orReason(timeoutMs, (signal) => greet(url, ca, signal));
  return "reason" in greeting ? { url, reachable: false, ...greeting } : { url, reachable: true, ...roundTrip, ...greeting };
}

async function orReason<T>(timeoutMs: number, attempt: (signal: AbortSignal) => Promise<T>): Promise<T | { reason: string }> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await attempt(signal);
  } catch (error) {
    return { reason: signal.aborted ? `no answer within ${timeoutMs / 1000} s` : error instanceof Error ? error.message : String(error) };
  }
}

/** Without the brackets of an IPv6 address. */
function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

/** Time of a TCP handshake, which is one round trip; the name has been looked up before. */
async function handshakeMs(host: string, port: number, signal: AbortSignal): Promise<number> {
  let startMs = performance.now();
  const socket: Socket = connect({ host, port });
  socket.once("lookup", () => {
    startMs = performance.now();
  });
  try {
    await once(socket, "connect", { signal });
    return performance.now() - startMs;
  } finally {
    socket.destroy();
  }
}

type Greeting = Omit<Extract<EndpointProbe, { reachable: true }>, "url" | "reachable" | "roundTripMs">;

/** Asks for the login realms, which Proxmox tells everybody: no credential is needed, and every answer has a date. */
function greet(url: string, ca: string | undefined, signal: AbortSignal): Promise<Greeting> {
  const host = hostOf(url);
  return new Promise((resolve, reject) => {
    const sentMs = Date.now();
    const servername = isIP(host) ? "" : host;
    // The certificate is looked at, not trusted: nothing secret goes out.
    const request = get(
      `${url}/api2/json/access/domains`,
      { agent: false, rejectUnauthorized: false, servername, ca, signal },
      (response) => {
        const receivedMs = Date.now();
        const socket = response.socket as TLSSocket;
        const certificate = socket.getPeerCertificate();
        const serverMs = Date.parse(response.headers.date ?? "");
        response.destroy();
        resolve({
          fingerprint: certificate.fingerprint256 ?? "none",
          ...(socket.authorized ? {} : { distrust: String(socket.authorizationError) }),
          certificateExpiresMs: Date.parse(certificate.valid_to),
          // The date has whole seconds: on average half of one has passed.
          ...(Number.isNaN(serverMs) ? {} : { clockSkewMs: serverMs + 500 - (sentMs + receivedMs) / 2 }),
        });
      },
    );
    request.once("error", reject);
  });
}
