/** Outputs of a VM: its inputs, where it is and what it looks like. */
import type { GuestRef, MoveRecord } from "../../migration";
import { type GuestConfig, parseNet } from "../../proxmox";
import { type Inputs, withoutUndefined } from "../inputs";
import { observeShape } from "./observe";
import { readVmInputs } from "./state";

export interface OutputFacts {
  guest: GuestRef;
  config: GuestConfig;
  running: boolean;
  generation: number;
  addresses: string[];
  lastMove?: MoveRecord;
}

export function vmId(guest: GuestRef): string {
  return `${guest.api.clusterId}/${guest.vmid}`;
}

export function toOutputs(inputs: Inputs, facts: OutputFacts): Inputs {
  const { __desired, placement } = readVmInputs(inputs);
  const at = { cluster: facts.guest.api.clusterId, node: facts.guest.node };
  // What was true only of the plan does not outlive it.
  const {
    recovery: _done,
    cleanup: _removed,
    restart: _restarted,
    __live,
    __route,
    __failover,
    __membership,
    drift: _mended,
    ...lasting
  } = inputs;
  return withoutUndefined({
    ...lasting,
    placement: { ...placement, ...at },
    vmid: facts.guest.vmid,
    macAddresses: macAddressesOf(facts.config),
    addresses: facts.addresses,
    lastMove: facts.lastMove,
    __at: at,
    __generation: facts.generation,
    __observed: observeShape(facts.config, Object.keys(__desired.scalars), facts.running),
  });
}

export function macAddressesOf(config: GuestConfig): string[] {
  return Object.keys(config.values)
    .filter((key) => /^net\d+$/.test(key))
    .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)))
    .flatMap((key) => parseNet(config.values[key]!).macAddress ?? []);
}
