import type { ApiParams, CallOptions, GuestConfig, GuestStatus, ProxmoxApi, Upid } from "./api";
import type { Caller } from "./call";
import { segment } from "./encoding";
import { isProxmoxError } from "./errors";
import { guestRowOf } from "./resources";
import { booleanOf, compact, isRow, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "./rows";
import { formatSize } from "./sizes";

type Qemu = ProxmoxApi["qemu"];

export function qemuCalls(call: Caller): Qemu {
  const guests = (node: string): string => `/nodes/${segment(node)}/qemu`;
  const guest = (node: string, vmid: number): string => `${guests(node)}/${segment(vmid)}`;

  async function getConfig(node: string, vmid: number, o?: CallOptions): Promise<GuestConfig> {
    return configOf(await call.getRow(`${guest(node, vmid)}/config`, {}, o));
  }

  async function findConfig(node: string, vmid: number, o?: CallOptions): Promise<GuestConfig | undefined> {
    try {
      return await getConfig(node, vmid, o);
    } catch (error) {
      if (isProxmoxError(error, "NOT_FOUND") && error.what === "guest") return undefined;
      throw error;
    }
  }

  const power = (node: string, vmid: number, action: string, params: ApiParams, o?: CallOptions): Promise<Upid> =>
    call.start("POST", `${guest(node, vmid)}/status/${action}`, params, o);

  return {
    getConfig,
    findConfig,
    async list(node, o) {
      return rowsOf(await call.get(guests(node), {}, o))
        .map((row) => guestRowOf(row, "qemu", node))
        .filter((row) => row !== undefined);
    },
    async listPending(node, vmid, o) {
      const rows = rowsOf(await call.get(`${guest(node, vmid)}/pending`, {}, o));
      return rows.filter((row) => "pending" in row || "delete" in row).map(pendingOf);
    },
    async getStatus(node, vmid, o) {
      return statusOf(vmid, await call.getRow(`${guest(node, vmid)}/status/current`, {}, o));
    },
    async create(node, params, o) {
      return call.start("POST", guests(node), params, o);
    },
    async clone(node, vmid, params, o) {
      return call.start("POST", `${guest(node, vmid)}/clone`, params, o);
    },
    async updateConfig(node, vmid, params, o) {
      await call.change("PUT", `${guest(node, vmid)}/config`, params, o);
    },
    async startConfigUpdate(node, vmid, params, o) {
      return call.startIfNeeded("POST", `${guest(node, vmid)}/config`, params, o);
    },
    async resizeDisk(node, vmid, disk, sizeBytes, o) {
      // Absolute, so that a repeat changes nothing: equal size is a no-op, smaller is refused.
      return call.startIfNeeded("PUT", `${guest(node, vmid)}/resize`, { disk, size: formatSize(sizeBytes) }, o);
    },
    async moveDisk(node, vmid, params, o) {
      return call.start("POST", `${guest(node, vmid)}/move_disk`, params, o);
    },
    async getMigratePreconditions(node, vmid, target, o) {
      return preconditionsOf(await call.getRow(`${guest(node, vmid)}/migrate`, { target }, o));
    },
    async migrate(node, vmid, params, o) {
      return call.start("POST", `${guest(node, vmid)}/migrate`, params, o);
    },
    async remoteMigrate(node, vmid, params, o) {
      return call.start("POST", `${guest(node, vmid)}/remote_migrate`, params, o);
    },
    async start(node, vmid, o) {
      return power(node, vmid, "start", {}, o);
    },
    async stop(node, vmid, o) {
      return power(node, vmid, "stop", {}, o);
    },
    async shutdown(node, vmid, { timeoutSeconds, forceStop }, o) {
      return power(node, vmid, "shutdown", { timeout: timeoutSeconds, forceStop }, o);
    },
    async reboot(node, vmid, { timeoutSeconds }, o) {
      return power(node, vmid, "reboot", { timeout: timeoutSeconds }, o);
    },
    async delete(node, vmid, { purge }, o) {
      return call.start("DELETE", guest(node, vmid), { purge: purge === true ? true : undefined }, o);
    },
    async pingAgent(node, vmid, o) {
      const answer = await unlessAgentSilent(() => call.change("POST", `${guest(node, vmid)}/agent/ping`, {}, o).then(() => true));
      return answer === true;
    },
    async findAgentAddresses(node, vmid, o) {
      const answer = await unlessAgentSilent(() => call.getRow(`${guest(node, vmid)}/agent/network-get-interfaces`, {}, o));
      return answer === undefined ? undefined : addressesOf(answer);
    },
  };
}

/** `undefined` when there is no agent to talk to: not running, not installed, not answering. */
async function unlessAgentSilent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isProxmoxError(error, "AGENT_UNAVAILABLE") || isProxmoxError(error, "NOT_RUNNING")) return undefined;
    throw error;
  }
}

function configOf(row: Row): GuestConfig {
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries(row)) {
    // A description of nothing but blanks comes back as null.
    const text = textOf(value);
    if (key !== "digest" && text !== undefined) values[key] = text;
  }
  return { digest: textOf(row.digest) ?? "", values };
}

function pendingOf(row: Row): { key: string; value?: string; pending?: string; delete: boolean } {
  return compact({
    key: textOf(row.key) ?? "",
    value: textOf(row.value),
    pending: textOf(row.pending),
    // 2 stands for a forced deletion.
    delete: (numberOf(row.delete) ?? 0) > 0,
  });
}

function statusOf(vmid: number, row: Row): GuestStatus {
  const ha = isRow(row.ha) ? row.ha : {};
  return compact<GuestStatus>({
    vmid,
    status: row.status === "running" ? "running" : "stopped",
    qmpStatus: nonEmptyOf(row.qmpstatus),
    name: nonEmptyOf(row.name),
    lock: nonEmptyOf(row.lock),
    template: booleanOf(row.template),
    uptimeSeconds: numberOf(row.uptime) ?? 0,
    ha: compact({ managed: booleanOf(ha.managed), state: nonEmptyOf(ha.state) }),
    agentEnabled: booleanOf(row.agent),
  });
}

function preconditionsOf(row: Row): Awaited<ReturnType<Qemu["getMigratePreconditions"]>> {
  return compact({
    running: booleanOf(row.running),
    allowedNodes: Array.isArray(row.allowed_nodes) ? row.allowed_nodes.map(String) : undefined,
    localDisks: rowsOf(row.local_disks).map((disk) =>
      compact({ volid: textOf(disk.volid) ?? "", driveName: nonEmptyOf(disk.drivename), sizeBytes: numberOf(disk.size) }),
    ),
    localResources: Array.isArray(row.local_resources) ? row.local_resources.map(String) : [],
    notAllowedNodes: isRow(row.not_allowed_nodes) ? row.not_allowed_nodes : undefined,
  });
}

function addressesOf(answer: Row): string[] {
  return rowsOf(answer.result)
    .flatMap((card) => rowsOf(card["ip-addresses"]))
    .map((address) => textOf(address["ip-address"]) ?? "")
    .filter((address) => address !== "" && address !== "::1" && !address.startsWith("127."));
}
