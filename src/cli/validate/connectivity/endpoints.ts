/** What is wrong with the endpoints of a cluster, each by itself and all together. Pure. */
import { type Connection, roundedAmount } from "../../../config";
import { parseFingerprints } from "../../../proxmox";
import { roundedSpan } from "../../words";
import type { Finding } from "../finding";
import { LOW_LATENCY_MS } from "../lints/migration";
import type { EndpointProbe } from "./endpoint";

type Reached = Extract<EndpointProbe, { reachable: true }>;
type Unreached = Extract<EndpointProbe, { reachable: false }>;

const EXPIRES_SOON_MS = 14 * 86_400_000;
/** The clock is read to about a second. */
const TOLERATED_SKEW_MS = 5_000;

export function endpointFindings(cluster: string, tls: Connection["tls"], probes: readonly EndpointProbe[], nowMs: number): Finding[] {
  const reached = probes.filter((probe) => probe.reachable);
  const unreached = probes.filter((probe) => !probe.reachable);
  const findings = [
    ...unreached.map((probe) => unreachable(probe, reached.length === 0)),
    ...reached.flatMap((probe) => [...identity(probe, tls), ...expiry(probe, nowMs), ...clock(probe)]),
    ...stretched(reached),
  ];
  return findings.map((finding) => ({ ...finding, cluster }));
}

function unreachable({ url, reason }: Unreached, isLast: boolean): Finding {
  const suggestion = "Check address, port, firewall and VPN.";
  return { severity: isLast ? "error" : "warning", message: `${url} cannot be reached: ${reason}`, suggestion };
}

function identity({ url, fingerprint, distrust }: Reached, tls: Connection["tls"]): Finding[] {
  if (tls.fingerprint !== undefined) {
    if (parseFingerprints(tls.fingerprint).includes(fingerprint)) return [];
    const message = `${url} shows another certificate than the pinned one`;
    const suggestion = `Compare ${fingerprint} with \`pvenode cert info\` on that node; only if they are equal, put it into connection.fingerprint.`;
    return [{ severity: "error", message, suggestion }];
  }
  if (!tls.verify || distrust === undefined) return [];
  const message = `${url} shows a certificate that is not trusted (${distrust})`;
  const suggestion = `If \`pvenode cert info\` on that node shows ${fingerprint}, set connection.fingerprint to it, or ca_file to the cluster's authority.`;
  return [{ severity: "error", message, suggestion }];
}

function expiry({ url, certificateExpiresMs }: Reached, nowMs: number): Finding[] {
  const leftMs = certificateExpiresMs - nowMs;
  if (leftMs > EXPIRES_SOON_MS) return [];
  const when = leftMs < 0 ? "has expired" : `expires in ${roundedSpan(leftMs / 1000)}`;
  const suggestion = "Renew it, and change a pinned fingerprint with it.";
  return [{ severity: "warning", message: `the certificate of ${url} ${when}`, suggestion }];
}

function clock({ url, clockSkewMs }: Reached): Finding[] {
  if (clockSkewMs === undefined || Math.abs(clockSkewMs) <= TOLERATED_SKEW_MS) return [];
  const way = clockSkewMs > 0 ? "ahead of" : "behind";
  const message = `the clock of ${url} is ${roundedSpan(Math.abs(clockSkewMs) / 1000)} ${way} the one here`;
  return [{ severity: "warning", message, suggestion: "Set up NTP on both: windows, expiry of tokens and backup times depend on it." }];
}

/** Whoever is 2 ms from one node and 30 ms from another knows that at least 28 ms lie between them. */
function stretched(reached: readonly Reached[]): Finding[] {
  const [nearest, ...others] = [...reached].sort((a, b) => a.roundTripMs - b.roundTripMs);
  const farthest = others.at(-1);
  if (nearest === undefined || farthest === undefined) return [];
  const apartMs = farthest.roundTripMs - nearest.roundTripMs;
  if (apartMs < LOW_LATENCY_MS) return [];
  const apart = `${nearest.url} and ${farthest.url} are at least ${roundedAmount(apartMs)} ms apart`;
  return [
    {
      severity: "warning",
      message: `${apart}: a cluster stretched over sites loses quorum when the line between them does`,
      suggestion: `Corosync wants less than ${LOW_LATENCY_MS} ms, better 5. Run one cluster per site.`,
    },
  ];
}
