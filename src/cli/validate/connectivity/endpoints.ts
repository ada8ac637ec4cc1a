/** What the endpoints of a cluster have to be told apart from. Pure. */
import type { Connection } from "../../../config";
import { parseFingerprints } from "../../../proxmox";
import { roundedAmount, roundedSpan } from "../../words";
import type { Finding } from "../finding";
import { LOW_LATENCY_MS } from "../lints";
import type { EndpointProbe } from "./endpoint";

type Reached = Extract<EndpointProbe, { reachable: true }>;

const DAY_MS = 86_400_000;
const EXPIRES_SOON_MS = 14 * DAY_MS;
/** The clock is read to about a second. */
const TOLERATED_SKEW_MS = 5_000;

export function endpointFindings(cluster: string, tls: Connection["tls"], probes: readonly EndpointProbe[], nowMs: number): Finding[] {
  const reached = probes.filter((probe): probe is Reached => probe.reachable);
  const finding = (severity: Finding["severity"], message: string, suggestion: string): Finding => ({
    severity,
    cluster,
    message,
    suggestion,
  });
  const unreached = probes.flatMap((probe) =>
    probe.reachable
      ? []
      : [
          finding(
            reached.length === 0 ? "error" : "warning",
            `${probe.url} cannot be reached: ${probe.reason}`,
            "Check address, port, firewall and VPN.",
          ),
        ],
  );
  return [...unreached, ...reached.flatMap((probe) => [...identity(probe), ...expiry(probe), ...clock(probe)]), ...stretched(reached)];

  function identity({ url, fingerprint, distrust }: Reached): Finding[] {
    if (tls.fingerprint !== undefined) {
      if (parseFingerprints(tls.fingerprint).includes(fingerprint)) return [];
      const compare = `Compare ${fingerprint} with \`pvenode cert info\` on that node; only if they are equal, put it into connection.fingerprint`;
      return [finding("error", `${url} shows another certificate than the pinned one`, `${compare}.`)];
    }
    if (!tls.verify || distrust === undefined) return [];
    const pin = `If \`pvenode cert info\` on that node shows ${fingerprint}, set connection.fingerprint to it, or ca_file to the cluster's authority`;
    return [finding("error", `${url} shows a certificate that is not trusted (${distrust})`, `${pin}.`)];
  }

  function expiry({ url, certificateExpiresMs }: Reached): Finding[] {
    if (certificateExpiresMs - nowMs > EXPIRES_SOON_MS) return [];
    const when = certificateExpiresMs < nowMs ? "has expired" : `expires in ${roundedSpan((certificateExpiresMs - nowMs) / 1000)}`;
    return [finding("warning", `the certificate of ${url} ${when}`, "Renew it, and change a pinned fingerprint with it.")];
  }

  function clock({ url, clockSkewMs }: Reached): Finding[] {
    if (clockSkewMs === undefined || Math.abs(clockSkewMs) <= TOLERATED_SKEW_MS) return [];
    const way = clockSkewMs > 0 ? "ahead of" : "behind";
    return [
      finding(
        "warning",
        `the clock of ${url} is ${roundedSpan(Math.abs(clockSkewMs) / 1000)} ${way} the one here`,
        "Set up NTP on both: windows, expiry of tokens and backup times depend on it.",
      ),
    ];
  }

  /** Whoever is 2 ms from one node and 30 ms from another knows that at least 28 ms lie between them. */
  function stretched(nodes: readonly Reached[]): Finding[] {
    const [nearest, ...others] = [...nodes].sort((a, b) => a.roundTripMs - b.roundTripMs);
    const farthest = others.at(-1);
    if (nearest === undefined || farthest === undefined) return [];
    const apartMs = farthest.roundTripMs - nearest.roundTripMs;
    if (apartMs < LOW_LATENCY_MS) return [];
    return [
      finding(
        "warning",
        `${nearest.url} and ${farthest.url} are at least ${roundedAmount(apartMs)} ms apart: a cluster stretched over sites loses quorum when the line between them does`,
        `Corosync wants less than ${LOW_LATENCY_MS} ms, better 5. Run one cluster per site.`,
      ),
    ];
  }
}
