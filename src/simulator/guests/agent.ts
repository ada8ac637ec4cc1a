/** The guest agent: it answers some seconds after a start, when the option is set. */
import type { Call, GuestState, Route } from "../kernel";
import type { Era } from "../state";
import { fail, integerParameter, placeOf } from "../volumes/calls";
import { nodeRule, vmidRule } from "../volumes/rules";
import { getGuest } from "./lookup";
import { isNetKey, parseNet } from "./net";
import { isAgentEnabled, isAgentReady } from "./power";

const base = "/nodes/{node}/qemu/{vmid}/agent";
const parameters = { node: nodeRule, vmid: vmidRule };

export function agentRoutes(era: Era): Route[] {
  const privileges = era === "9.2" ? ["VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted"] : ["VM.Monitor"];
  const permission = (call: Call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, privileges, "any");
  const answers: [Route["method"], string, (guest: GuestState) => unknown][] = [
    ["POST", "ping", () => ({})],
    ["GET", "network-get-interfaces", networkInterfaces],
    ["GET", "get-osinfo", () => ({ id: "debian", name: "Debian GNU/Linux", "version-id": "13", machine: "x86_64" })],
    ["GET", "get-host-name", (guest) => ({ "host-name": guest.config.name ?? `vm${guest.vmid}` })],
    ["GET", "get-fsinfo", () => [{ name: "sda1", mountpoint: "/", type: "ext4", disk: [] }]],
  ];
  return answers.map(([method, command, answer]) => ({
    method,
    path: `${base}/${command}`,
    parameters,
    permission,
    handler: (call) => ({ result: answer(answeringGuest(call)) }),
  }));
}

function answeringGuest(call: Call): GuestState {
  const place = placeOf(call);
  const guest = getGuest(place, integerParameter(call, "vmid")!);
  if (!isAgentEnabled((guest.runningConfig ?? guest.config).agent)) fail("No QEMU guest agent configured");
  if (!guest.running) fail(`VM ${guest.vmid} is not running`);
  if (!isAgentReady(place, guest)) fail("QEMU guest agent is not running");
  return guest;
}

/** Addresses follow from the MACs: the same card has the same address wherever the guest runs. */
function networkInterfaces(guest: GuestState): unknown {
  const loopback = {
    name: "lo",
    "hardware-address": "00:00:00:00:00:00",
    "ip-addresses": [{ "ip-address": "127.0.0.1", "ip-address-type": "ipv4", prefix: 8 }],
  };
  const cards = Object.entries(guest.runningConfig ?? guest.config)
    .filter(([key]) => isNetKey(key))
    .map(([key, value]) => cardOf(Number(key.slice(3)), parseNet(value, key).macaddr ?? ""));
  return [loopback, ...cards];
}

function cardOf(index: number, mac: string): unknown {
  const [, , , a, b, c] = mac.split(":").map((part) => Number.parseInt(part, 16));
  return {
    name: `eth${index}`,
    "hardware-address": mac.toLowerCase(),
    "ip-addresses": [{ "ip-address": `10.${a ?? 0}.${b ?? 0}.${c ?? 0}`, "ip-address-type": "ipv4", prefix: 8 }],
  };
}
