/** Single settings that need another one, or contradict it. */
import type { Path } from "../position";
import type { ClusterFile } from "../schema/cluster";
import type { CheckInput } from "./input";

/** Types Proxmox ships, and the guide's words for them. Third-party plugins have others. */
const STORAGE_TYPES = new Set("btrfs ceph cephfs cifs dir esxi iscsi iscsidirect lvm lvmthin nfs pbs rbd zfs zfspool".split(" "));

export function checkSettings(input: CheckInput): void {
  checkRoot(input);
  for (const [index, cluster] of (input.file.clusters ?? []).entries()) {
    checkIdentity(input, ["clusters", index], cluster);
    checkLocation(input, ["clusters", index], cluster);
    checkStorage(input, ["clusters", index, "storage"], cluster);
    checkNetwork(input, ["clusters", index, "network"], cluster);
  }
}

function checkRoot({ file, findings }: CheckInput): void {
  const missing = (["clusters", "resource_pools", "migration_policies"] as const).filter((section) => !findings.has([section]));
  if (findings.kind === "template") {
    const reason = missing.length > 0 ? `: it has no ${missing.map((section) => `\`${section}\``).join(", ")}` : "";
    findings.warning([], `this file is read as a fragment or template${reason}`, "Placeholders and unknown ids in it are only warnings.");
  }
  if (file.clusters?.length === 0) findings.unresolved(["clusters"], "no cluster is declared", "Add at least one entry.");
  if (file.name !== undefined && file.federation?.name !== undefined && file.name !== file.federation.name) {
    findings.error(
      ["federation", "name"],
      `the federation is named \`${file.name}\` at the top and \`${file.federation.name}\` here`,
      "Keep one of them.",
    );
  }
  if (findings.kind === "complete" && !findings.has(["name"]) && !findings.has(["federation", "name"])) {
    findings.warning(
      [],
      "the federation has no `name`; `default` is used",
      "Set `name`: it marks the guests of this federation, and two federations that share a cluster must differ in it.",
    );
  }
  if (file.features?.controllerVMID !== undefined) {
    findings.warning(
      ["features", "controllerVMID"],
      "the CSI plugin reads `controllerVmID`; it ignores this spelling and uses 9999",
      "Rename the key.",
      "key",
    );
  }
}

function checkIdentity({ findings }: CheckInput, path: Path, cluster: ClusterFile): void {
  if (cluster.id === undefined && cluster.region === undefined && !findings.has([...path, "id"]) && !findings.has([...path, "region"])) {
    findings.error(path, "the cluster has neither `id` nor `region`", "Give it a unique `id`.");
  }
}

function checkLocation({ findings }: CheckInput, path: Path, cluster: ClusterFile): void {
  if (typeof cluster.location !== "object") return;
  const has = (key: string) => findings.has([...path, "location", key]);
  if (has("latitude") !== has("longitude")) findings.error([...path, "location"], "coordinates need both `latitude` and `longitude`");
}

function checkStorage({ findings }: CheckInput, path: Path, cluster: ClusterFile): void {
  for (const [index, backend] of (cluster.storage?.backends ?? []).entries()) {
    const at = [...path, "backends", index];
    if (backend.available !== undefined && backend.capacity !== undefined && backend.available > backend.capacity) {
      findings.error([...at, "available"], "more is available than the capacity", "Swap or correct the two.");
    }
    if (backend.type !== undefined && !STORAGE_TYPES.has(backend.type)) {
      findings.warning(
        [...at, "type"],
        `\`${backend.type}\` is not a storage type Proxmox ships`,
        `Known: ${[...STORAGE_TYPES].join(", ")}.`,
      );
    }
  }
}

function checkNetwork({ findings }: CheckInput, path: Path, { network }: ClusterFile): void {
  const { vlan_range: range, networks } = network ?? {};
  for (const [name, bridge] of Object.entries(networks ?? {})) {
    if (typeof bridge === "string" || bridge.vlan === undefined || range === undefined) continue;
    if (bridge.vlan >= range.first && bridge.vlan <= range.last) continue;
    findings.error(
      [...path, "networks", name, "vlan"],
      `VLAN ${bridge.vlan} is outside of the cluster's vlan_range ${range.first}-${range.last}`,
      "Correct one of the two.",
    );
  }
  if (findings.has([...path, "cross_connects"]) && findings.has([...path, "cross_connect"])) {
    findings.error(
      [...path, "cross_connect"],
      "`cross_connect` and `cross_connects` are two spellings of one list",
      "Keep `cross_connects`.",
      "key",
    );
  }
}
