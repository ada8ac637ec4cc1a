/** From what one cluster showed to what is wrong with it. Pure. */
import type { Cluster, Federation } from "../../../config";
import { missingPrivileges } from "../../../migration";
import type { Asked } from "../../ask-clusters";
import type { Finding } from "../finding";
import type { EndpointProbe } from "./endpoint";
import { endpointFindings } from "./endpoints";
import { moveRequirements } from "./move-needs";
import { archiveStorages, bridgesOf, diskStorages, requirementsOf } from "./needs";
import type { LiveFacts } from "./read";

export interface ClusterCheck {
  id: string;
  /** `checked`: everything could be looked at, whatever was found. */
  outcome: "checked" | "unreachable" | "refused" | "not-contacted";
  /** Why it could not be looked at. */
  reason?: string;
  version?: string;
  endpoints: { url: string; roundTripMs?: number; fingerprint?: string; clockSkewMs?: number }[];
  findings: Finding[];
}

export function checkCluster(
  federation: Federation,
  asked: Asked<LiveFacts>,
  probes: readonly EndpointProbe[],
  nowMs: number,
): ClusterCheck {
  const { cluster } = asked;
  const { id, connection } = cluster;
  const endpoints = probes.map((probe) =>
    probe.reachable
      ? { url: probe.url, roundTripMs: probe.roundTripMs, fingerprint: probe.fingerprint, clockSkewMs: probe.clockSkewMs }
      : { url: probe.url },
  );
  const atTheDoor = connection === undefined ? [] : endpointFindings(id, connection.tls, probes, nowMs);
  if (!asked.ok) {
    // Where an endpoint says why nothing works, the failure of the calls behind it is no news.
    const told = asked.kind === "not-contacted" || atTheDoor.some(({ severity }) => severity === "error");
    const refusal: Finding[] = told ? [] : [{ severity: "error", cluster: id, message: asked.reason }];
    return { id, outcome: asked.kind, reason: asked.reason, endpoints, findings: [...atTheDoor, ...refusal] };
  }
  const live = asked.value;
  const findings = [
    ...privilegeFindings(federation, cluster, live),
    ...nodeFindings(cluster, live),
    ...storageFindings(federation, cluster, live),
    ...bridgeFindings(cluster, live),
    ...imageFindings(cluster, live),
  ].map((finding) => ({ ...finding, cluster: id }));
  return { id, outcome: "checked", version: live.version, endpoints, findings: [...atTheDoor, ...findings] };
}

/** One line per set of places and severity, however many privileges are missing there. */
function privilegeFindings(federation: Federation, cluster: Cluster, { permissions, major }: LiveFacts): Finding[] {
  const requirements = [...requirementsOf(federation, cluster, major), ...moveRequirements(federation, cluster, major)];
  return (["error", "warning"] as const).flatMap((severity) => {
    const missing = missingPrivileges(
      permissions,
      requirements.filter((requirement) => requirement.severity === severity),
    );
    const byPlace = new Map<string, { privileges: string[]; reasons: Set<string> }>();
    for (const { paths, privilege, why } of missing) {
      const place = paths.join(" or ");
      const entry = byPlace.get(place) ?? { privileges: [], reasons: new Set() };
      byPlace.set(place, entry);
      entry.privileges.push(privilege);
      entry.reasons.add(why);
    }
    return [...byPlace].map(
      ([place, { privileges, reasons }]): Finding => ({
        severity,
        message: `the credentials lack ${privileges.join(", ")} on ${place}`,
        suggestion: `Needed to ${[...reasons].join("; ")}. docs/privileges.md has the commands.`,
      }),
    );
  });
}

function nodeFindings(cluster: Cluster, { nodes }: LiveFacts): Finding[] {
  const live = new Set(nodes.map(({ node }) => node));
  const absent = cluster.nodes.filter(({ name }) => !live.has(name));
  const offline = nodes.filter(({ status }) => status !== "online");
  return [
    ...absent.map(
      ({ name }): Finding => ({
        severity: "error",
        message: `the cluster has no node ${name}`,
        suggestion: `It has ${[...live].join(", ")}.`,
      }),
    ),
    ...offline.map(({ node, status }): Finding => ({ severity: "warning", message: `node ${node} is ${status}: it was not checked` })),
  ];
}

function storageFindings(federation: Federation, cluster: Cluster, live: LiveFacts): Finding[] {
  const online = live.nodes.filter(({ status }) => status === "online").map(({ node }) => node);
  const disks = diskStorages(cluster).flatMap((storage) => checkStorage(storage, "images", "disks", online, live));
  const archives = archiveStorages(federation, cluster).flatMap((storage) => checkStorage(storage, "backup", "archives", online, live));
  return [...disks, ...archives];
}

function checkStorage(storage: string, content: string, use: string, online: readonly string[], live: LiveFacts): Finding[] {
  const rows = live.storages.filter((row) => row.storage === storage);
  if (rows.length === 0) {
    const message = `there is no storage ${storage} for ${use}, or it is hidden from these credentials`;
    return [{ severity: "error", message, suggestion: "Create it, correct its name in the file, or grant Datastore.Audit on it." }];
  }
  const findings: Finding[] = [];
  const contents = live.definitions.find((definition) => definition.storage === storage)?.content;
  if (contents !== undefined && !contents.includes(content))
    findings.push({
      severity: "error",
      message: `storage ${storage} is to hold ${use}, and its content is ${contents.join(", ") || "none"}`,
      suggestion: `Add ${content} to its content.`,
    });
  const available = new Set(rows.filter(({ status }) => status === "available").map(({ node }) => node));
  const without = online.filter((node) => !available.has(node));
  if (without.length > 0)
    findings.push({
      severity: available.size === 0 ? "error" : "warning",
      message: `storage ${storage} is not available on ${without.join(", ")}`,
      suggestion: "Nothing that needs it can be there.",
    });
  return findings;
}

function bridgeFindings(cluster: Cluster, { bridges }: LiveFacts): Finding[] {
  return bridgesOf(cluster).flatMap((bridge): Finding[] => {
    const without = [...bridges].filter(([, present]) => !present.has(bridge)).map(([node]) => node);
    if (without.length === 0) return [];
    return [
      {
        severity: without.length === bridges.size ? "error" : "warning",
        message: `there is no bridge ${bridge} on ${without.join(", ")}, or these credentials may not use it`,
        suggestion: "Create it there, or correct network.bridges and network.networks.",
      },
    ];
  });
}

function imageFindings(cluster: Cluster, live: LiveFacts): Finding[] {
  const images = Object.entries(cluster.images).flatMap(([name, volid]): Finding[] => {
    const present = live.images.get(name) ?? [];
    const without = [...live.bridges.keys()].filter((node) => !present.includes(node));
    if (without.length === 0) return [];
    return [
      {
        severity: present.length === 0 ? "error" : "warning",
        message: `image ${name} (${volid}) is not on ${without.join(", ")}`,
        suggestion: "Download it there, or put it on a storage that all nodes share.",
      },
    ];
  });
  const templates = Object.entries(cluster.templates).flatMap(([name, vmid]): Finding[] => {
    const guest = live.guests.find((row) => row.vmid === vmid);
    if (guest?.template) return [];
    const what = guest === undefined ? "does not exist, or is hidden from these credentials" : "is no template";
    return [
      {
        severity: "error",
        message: `template ${name}: vm ${vmid} ${what}`,
        suggestion: "Correct clusters[].templates or make it a template.",
      },
    ];
  });
  return [...images, ...templates];
}
