import { FormatError } from "./errors";
import { formatPropertyString, type PropertyString, parsePropertyBoolean, parsePropertyString, setProperty } from "./property-string";

/** Models Proxmox knows; each may stand as key of its MAC address: `virtio=BC:24:11:00:00:01`. */
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

/** A network card, `net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=10`. */
export interface Net {
  model: string;
  macAddress?: string;
  bridge?: string;
  /** VLAN. */
  tag?: number;
  /** VLANs let through, `1;3;5-9`. */
  trunks?: string;
  firewall?: boolean;
  linkDown?: boolean;
  mtu?: number;
  queues?: number;
  /** MB/s. */
  rateMBps?: number;
  /** All of it, in its order. */
  properties: PropertyString;
}

/** Throws {@link FormatError} where there is no model. Options it does not know stay in `properties`. */
export function parseNet(text: string): Net {
  const properties = parsePropertyString(text, "model");
  const get = (key: string): string | undefined => properties.find((entry) => entry.key === key)?.value;
  const alias = properties.find(({ key, bare }) => !bare && models.includes(key));
  const model = alias?.key ?? get("model");
  if (model === undefined || !models.includes(model)) throw new FormatError("network card", text, "it names no known model");
  const number = (key: string): number | undefined => {
    const value = get(key);
    if (value === undefined) return undefined;
    if (!/^\d+(?:\.\d+)?$/.test(value)) throw new FormatError("network card", text, `${key} is not a number`);
    return Number(value);
  };
  const flag = (key: string): boolean | undefined => {
    const value = get(key);
    if (value === undefined) return undefined;
    const parsed = parsePropertyBoolean(value);
    if (parsed === undefined) throw new FormatError("network card", text, `${key} is neither 0 nor 1`);
    return parsed;
  };
  const known = {
    macAddress: alias?.value ?? get("macaddr"),
    bridge: get("bridge"),
    tag: number("tag"),
    trunks: get("trunks"),
    firewall: flag("firewall"),
    linkDown: flag("link_down"),
    mtu: number("mtu"),
    queues: number("queues"),
    rateMBps: number("rate"),
  };
  return { model, ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)), properties };
}

/** The text it was parsed from, with what {@link withNetOption} changed. */
export function formatNet(net: Net): string {
  return formatPropertyString(net.properties);
}

/** A copy with one option (`bridge`, `tag`, `firewall`, …) changed or, by `undefined`, taken out. */
export function withNetOption(net: Net, name: string, value: string | number | boolean | undefined): Net {
  return parseNet(formatPropertyString(setProperty(net.properties, name, value)));
}

const flags = new Set(["firewall", "link_down"]);

/** As Proxmox stores it: model with its MAC first, other options sorted, flags as 0 and 1. */
export function canonicalNet(net: Net): string {
  const head = net.macAddress === undefined ? net.model : `${net.model}=${net.macAddress}`;
  const options = net.properties
    .filter(({ key }) => key !== "" && key !== "model" && key !== "macaddr" && !models.includes(key))
    .map(({ key, value }) => `${key}=${flags.has(key) ? (parsePropertyBoolean(value) ? "1" : "0") : value}`)
    .sort();
  return [head, ...options].join(",");
}
