/** `validate` for a terminal. Pure. */
import { roundedAmount } from "../../config";
import type { Paint } from "../io";
import { counted } from "../words";
import type { ClusterCheck } from "./connectivity/check";
import type { PeerCheck } from "./connectivity/peers";
import type { Finding } from "./finding";
import type { ValidateReport } from "./report";

export function validateText(report: ValidateReport, paint: Paint): string {
  const lines = report.findings.map((finding) => findingText(finding, paint));
  for (const cluster of report.clusters ?? []) lines.push(clusterText(cluster, paint));
  for (const peer of report.peers ?? []) lines.push(peerText(peer));
  const { errors, warnings } = report;
  const verdict = `${report.file}: ${counted(errors, "error")}, ${counted(warnings, "warning")}`;
  lines.push(paint(errors > 0 ? "red" : warnings > 0 ? "yellow" : "green", verdict));
  return lines.join("\n");
}

/** As compilers write it, so that editors find the place. */
function findingText({ severity, file, line, column, path, cluster, message, suggestion }: Finding, paint: Paint): string {
  const where = file === undefined ? `cluster ${cluster}:` : `${file}:${line}:${column}:`;
  const what = path ? `${path}: ${message}` : message;
  const words = suggestion === undefined ? what : `${what}. ${suggestion}`;
  return `${where} ${paint(severity === "error" ? "red" : "yellow", `${severity}:`)} ${words}`;
}

function clusterText({ id, outcome, reason, version, endpoints }: ClusterCheck, paint: Paint): string {
  const ways = endpoints.map(({ url, roundTripMs }) =>
    roundTripMs === undefined ? `${url} no connection` : `${url} ${roundedAmount(roundTripMs)} ms`,
  );
  // Why a cluster could not be asked stands among the findings, unless there was nothing to ask.
  const why = outcome === "not-contacted" && reason !== undefined ? [reason] : [];
  const facts = [...(version === undefined ? [] : [`Proxmox VE ${version}`]), ...ways, ...why];
  const style = outcome === "checked" ? "green" : outcome === "not-contacted" ? "dim" : "red";
  return `cluster ${id}: ${paint(style, outcome)}: ${facts.join(" · ")}`;
}

function peerText({
  source,
  target,
  declaredLatencyMs,
  leastLatencyMs,
  mostLatencyMs,
  throughputBitsPerSecond,
  throughputAt,
}: PeerCheck): string {
  const latency =
    leastLatencyMs === undefined || mostLatencyMs === undefined
      ? "latency not known"
      : `latency ${roundedAmount(leastLatencyMs)} to ${roundedAmount(mostLatencyMs)} ms by the round trips from here`;
  const declared = declaredLatencyMs === undefined ? [] : [`declared ${declaredLatencyMs} ms`];
  const throughput =
    throughputBitsPerSecond === undefined
      ? "throughput not measured: the API cannot, and no move is on record"
      : `throughput ${roundedAmount(throughputBitsPerSecond / 1e6)} Mbps, last measured by the move that ended ${throughputAt}`;
  return `${source} → ${target}: ${[latency, ...declared, throughput].join(" · ")}`;
}
