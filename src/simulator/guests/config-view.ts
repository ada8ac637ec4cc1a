/** Reading a guest's configuration: values in JSON, with pending changes, of a snapshot. */
import type { Call, GuestState, Route } from "../kernel";
import type { Era } from "../state";
import { fail, failParameter, flagParameter, integerParameter, placeOf, textParameter } from "../volumes/calls";
import { nodeRule, optionalFlag, vmidRule } from "../volumes/rules";
import { configDigest, snapshotSection } from "./config-text";
import { type Config, isDriveKey } from "./drive";
import { configIdFormat } from "./formats";
import { getGuest, requireUnlocked } from "./lookup";
import { findOption } from "./options";
import { configWithPending } from "./pending";

const atGuest = { node: nodeRule, vmid: vmidRule };
const audit = (call: Call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Audit"]);
const subdirectories =
  "config cloudinit pending status unlink vncproxy termproxy migrate resize move rrd rrddata monitor agent snapshot spiceproxy sendkey firewall mtunnel remote_migrate".split(
    " ",
  );

export function configViewRoutes(): Route[] {
  return [
    {
      method: "GET",
      path: "/nodes/{node}/qemu/{vmid}",
      parameters: atGuest,
      handler: () => subdirectories.map((subdir) => ({ subdir })),
    },
    {
      method: "GET",
      path: "/nodes/{node}/qemu/{vmid}/config",
      parameters: {
        ...atGuest,
        current: optionalFlag,
        snapshot: { type: "string", optional: true, format: configIdFormat, maxLength: 40 },
      },
      permission: audit,
      handler: getConfig,
    },
    {
      method: "PUT",
      path: "/nodes/{node}/qemu/{vmid}/cloudinit",
      parameters: atGuest,
      permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Config.Cloudinit"]),
      handler: regenerateCloudInit,
    },
    { method: "GET", path: "/nodes/{node}/qemu/{vmid}/pending", parameters: atGuest, permission: audit, handler: getPending },
  ];
}

function getConfig(call: Call): unknown {
  const snapshot = textParameter(call, "snapshot");
  const current = flagParameter(call, "current");
  if (snapshot !== undefined && current) {
    const text = "cannot use 'snapshot' parameter with 'current'";
    failParameter({ current: text, snapshot: text });
  }
  const guest = getGuest(placeOf(call), integerParameter(call, "vmid")!);
  const { era } = call.cluster;
  const digest = configDigest(guest);
  if (snapshot !== undefined) {
    if (!guest.snapshots[snapshot]) fail(`snapshot '${snapshot}' does not exist`);
    return { ...jsonConfig(era, snapshotSection(guest, snapshot)), digest };
  }
  return { ...jsonConfig(era, current ? guest.config : configWithPending(guest)), digest };
}

const integerKeys = new Set(["snaptime"]);

/** Numbers for integers and booleans, strings for everything else; the password is masked. */
export function jsonConfig(era: Era, config: Config): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, jsonValue(era, key, value)]));
}

function jsonValue(era: Era, key: string, value: string): unknown {
  if (key === "cipassword") return "**********";
  if (key === "description" && value === "") return null;
  const type = findOption(era, key)?.type;
  return type === "integer" || type === "boolean" || integerKeys.has(key) ? Number(value) : value;
}

/** The drive's content follows from the config, so there is nothing to write. */
function regenerateCloudInit(call: Call): null {
  const guest = getGuest(placeOf(call), integerParameter(call, "vmid")!);
  requireUnlocked(guest);
  return null;
}

function getPending(call: Call): unknown {
  const guest = getGuest(placeOf(call), integerParameter(call, "vmid")!);
  const { era } = call.cluster;
  return [...pendingRows(era, guest), { key: "digest", value: configDigest(guest) }];
}

function pendingRows(era: Era, guest: GuestState): Record<string, unknown>[] {
  const rows = Object.entries(guest.config).map(([key, value]) => {
    const change = guest.pending[key];
    return {
      key,
      value: jsonValue(era, key, value),
      ...(change?.delete ? { delete: change.delete === "force" ? 2 : 1 } : {}),
      ...(change?.value === undefined ? {} : { pending: jsonValue(era, key, change.value) }),
    };
  });
  const added = Object.entries(guest.pending).filter(([key, change]) => guest.config[key] === undefined && change.value !== undefined);
  return [
    ...rows,
    ...added.map(([key, change]) => ({ key, pending: isDriveKey(key) ? change.value : jsonValue(era, key, change.value!) })),
  ];
}
