/** Network cards of a guest. */
import type { World } from "../kernel";
import { bridgeFormat, macFormat } from "./formats";
import { type PropertySchema, parsePropertyString } from "./property-string";

const models = [
  "e1000",
  "e1000-82540em",
  "e1000-82544gc",
  "e1000-82545em",
  "e1000e",
  "i82551",
  "i82557b",
  "i82559er",
  "ne2k_isa",
  "ne2k_pci",
  "pcnet",
  "rtl8139",
  "virtio",
  "vmxnet3",
];

export const netSchema: PropertySchema = {
  keyAlias: { keys: models, key: "model", value: "macaddr" },
  properties: {
    model: { type: "string", defaultKey: true, enum: models },
    macaddr: { type: "string", optional: true, format: macFormat },
    bridge: { type: "string", optional: true, format: bridgeFormat },
    queues: { type: "integer", optional: true, minimum: 0, maximum: 64 },
    rate: { type: "number", optional: true, minimum: 0 },
    tag: { type: "integer", optional: true, minimum: 1, maximum: 4094 },
    trunks: { type: "string", optional: true, pattern: /^\d+(-\d+)?(;\d+(-\d+)?)*$/ },
    firewall: { type: "boolean", optional: true },
    link_down: { type: "boolean", optional: true },
    mtu: { type: "integer", optional: true, minimum: 1, maximum: 65520 },
    "host-tunnel": { type: "boolean", optional: true },
  },
};

export type Net = Record<string, string>;

export function parseNet(text: string, path = ""): Net {
  return parsePropertyString(netSchema, text, path);
}

/** `virtio=<mac>,bridge=vmbr0,…`: model and address first, the rest sorted. */
export function printNet(net: Net): string {
  const { model = "virtio", macaddr, ...rest } = net;
  const others = Object.keys(rest)
    .sort()
    .map((key) => `${key}=${rest[key]}`);
  return [macaddr === undefined ? model : `${model}=${macaddr}`, ...others].join(",");
}

/** An address of Proxmox's own range. */
export function randomMac(world: World): string {
  const digits = world.randomHex(6).toUpperCase();
  return ["BC", "24", "11", digits.slice(0, 2), digits.slice(2, 4), digits.slice(4, 6)].join(":");
}

/** The same card with an address, upper-case; a new one when it has none. */
export function withMac(world: World, net: Net): Net {
  return { ...net, macaddr: net.macaddr?.toUpperCase() ?? randomMac(world) };
}

export const isNetKey = (key: string): boolean => /^net([0-9]|[12][0-9]|3[01])$/.test(key);
