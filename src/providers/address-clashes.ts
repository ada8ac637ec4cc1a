/** Guests of a cluster that have an address which an arriving guest brings along: both would answer on the network. */
import { isIP } from "node:net";
import { isIdentityTag, offlineNodes } from "../migration";
import { type GuestConfig, inParallel, isProxmoxError, parseNet } from "../proxmox";
import type { Session } from "./session";

/** One network card of a guest. */
export interface Addresses {
  slot: string;
  mac?: string;
  /** Fixed addresses of its cloud-init configuration, without prefix length. */
  ips: string[];
}

/** Cards of a configuration with the fixed addresses cloud-init gives them. Pure. */
export function addressesOf(values: Record<string, string>): Addresses[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const index = /^net(\d+)$/.exec(key)?.[1];
    if (index === undefined) return [];
    const { macAddress } = parseNet(value);
    return [
      { slot: key, ...(macAddress === undefined ? {} : { mac: macAddress.toUpperCase() }), ips: fixedIps(values[`ipconfig${index}`]) },
    ];
  });
}

function fixedIps(ipConfig: string | undefined): string[] {
  return (ipConfig ?? "").split(",").flatMap((part) => {
    const address = /^ip6?=([^/]+)/.exec(part)?.[1]?.toLowerCase();
    // `dhcp`, `auto` and `manual` are none.
    return address !== undefined && isIP(address) !== 0 ? [address] : [];
  });
}

/** In words with what to do; our own guests are left out: their addresses are the programs' business. */
export async function findClashes(session: Session, cluster: string, addresses: readonly Addresses[]): Promise<string[]> {
  if (addresses.every(({ mac, ips }) => mac === undefined && ips.length === 0)) return [];
  const findings: string[] = [];
  for (const { vmid, config } of await session.once(`foreign guests ${cluster}`, () => readForeignGuests(session, cluster))) {
    for (const theirs of addressesOf(config.values))
      for (const ours of addresses) {
        if (ours.mac !== undefined && ours.mac === theirs.mac)
          findings.push(
            `its ${ours.slot} has the MAC address ${ours.mac}, which vm ${vmid} of ${cluster} has too (${theirs.slot}): change one of them`,
          );
        for (const ip of ours.ips)
          if (theirs.ips.includes(ip))
            findings.push(
              `its ${ours.slot} has the address ${ip}, which vm ${vmid} of ${cluster} has too (${theirs.slot}): change one of them`,
            );
      }
  }
  return findings;
}

async function readForeignGuests(session: Session, cluster: string): Promise<{ vmid: number; config: GuestConfig }[]> {
  const api = await session.client(cluster);
  const { guests, nodes } = (await session.reachable(cluster)) ?? { guests: [], nodes: [] };
  const offline = offlineNodes(nodes);
  const others = guests.filter((guest) => guest.guestType === "qemu" && !guest.tags.some(isIdentityTag));
  const foreign = others.filter(({ node }) => !offline.has(node));
  if (foreign.length < others.length)
    session.pace.report(
      `warning: the addresses of ${others.length - foreign.length} guests of ${cluster} were not compared, because their nodes are down: ${[...offline].sort().join(", ")}`,
    );
  const found = await inParallel(foreign, async ({ node, vmid }) => {
    try {
      const config = await api.qemu.findConfig(node, vmid);
      return config ? [{ vmid, config }] : [];
    } catch (error) {
      // One that the token may see in lists only tells nothing.
      if (!isProxmoxError(error, "PERMISSION")) throw error;
      return [];
    }
  });
  return found.flat().sort((a, b) => a.vmid - b.vmid);
}
