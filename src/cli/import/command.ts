/** `federate import`: a Pulumi program for VMs that exist, which takes them over as they are. Changes nothing. */
import { writeFile } from "node:fs/promises";
import type { Cluster, Federation } from "../../config";
import { FREE_STACK, parseDescription } from "../../migration";
import { whyNotDescribable } from "../../providers/vm/describable";
import { type CallOptions, type GuestRow, inParallel, type ProxmoxApi } from "../../proxmox";
import { askClusters, exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import { UsageError } from "../failure";
import { type CliIo, painterFor, printable } from "../io";
import { readVisibleRows } from "../snapshot";
import { withClients } from "../with-clients";
import { counted } from "../words";
import { toArguments } from "./arguments";
import { type ImportedVm, type LeftOut, programText } from "./program-text";

export interface ImportOptions {
  cluster: string[];
  /** Proxmox pool that the guests are in. */
  pool?: string;
  /** Pool of the federation for guests that are in none. */
  into?: string;
  output?: string;
}

type Found = { vm: ImportedVm } | { leftOut: LeftOut };

export async function importGuests(file: string, options: ImportOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  for (const [list, wanted] of [
    [federation.clusters.map(({ id }) => id), options.cluster],
    [federation.resourcePools.map(({ name }) => name), options.into === undefined ? [] : [options.into]],
  ] as const) {
    const unknown = wanted.find((name) => !list.includes(name));
    if (unknown !== undefined) throw new UsageError(`${unknown} is not in the federation file. It declares ${list.join(", ") || "none"}.`);
  }
  const clusters = federation.clusters.filter(({ id }) => options.cluster.length === 0 || options.cluster.includes(id));
  return withClients(file, io, async (clients) => {
    const asked = await askClusters(clusters, clients, (api, cluster, callOptions) => look(api, cluster, federation, options, callOptions));
    const paint = painterFor(io.stderr);
    for (const answer of asked)
      if (!answer.ok) io.stderr.write(`${paint("yellow", "note:")} ${printable(`${answer.cluster.id} is left out: ${answer.reason}`)}\n`);
    const found = asked.flatMap((answer) => (answer.ok ? answer.value : []));
    const vms = withUniqueNames(found.flatMap((one) => ("vm" in one ? [one.vm] : [])));
    const text = programText(
      vms,
      found.flatMap((one) => ("leftOut" in one ? [one.leftOut] : [])),
    );
    if (options.output === undefined) io.stdout.write(text);
    else await writeFile(options.output, text, { flag: "wx" });
    io.stderr.write(`${counted(vms.length, "VM")}, ${found.length - vms.length} left out\n`);
    return worstOf([EXIT.ok, ...exitCodesOf(asked)]);
  });
}

async function look(
  api: ProxmoxApi,
  cluster: Cluster,
  federation: Federation,
  options: ImportOptions,
  callOptions: CallOptions,
): Promise<Found[]> {
  const { guests } = await readVisibleRows(api, callOptions);
  const wanted = guests.filter((guest) => options.pool === undefined || guest.pool === options.pool).sort((a, b) => a.vmid - b.vmid);
  const found = await inParallel(wanted, (guest) => describe(api, cluster, federation, guest, options, callOptions));
  return found.flat();
}

async function describe(
  api: ProxmoxApi,
  cluster: Cluster,
  federation: Federation,
  guest: GuestRow,
  { into }: ImportOptions,
  callOptions: CallOptions,
): Promise<Found[]> {
  const what = `vm ${guest.vmid} (${guest.name ?? "without a name"}) on ${cluster.id}/${guest.node}`;
  const leave = (reason: string): Found[] => [{ leftOut: { what, reason } }];
  if (guest.guestType !== "qemu") return leave("a container");
  if (guest.template) return leave("a template");
  const config = await api.qemu.findConfig(guest.node, guest.vmid, callOptions);
  if (!config) return [];
  const { mark } = parseDescription(config.values.description);
  if (mark !== undefined && mark.stack !== FREE_STACK) return leave(`it belongs to ${mark.name} of stack ${mark.stack} already`);
  const strange = whyNotDescribable(config);
  if (strange !== undefined) return leave(strange);
  const isKnown = federation.resourcePools.some(({ name }) => name === guest.pool);
  if (guest.pool !== undefined && !isKnown) return leave(`it is in pool ${guest.pool}, which the federation file does not have`);
  const name = guest.name ?? `vm-${guest.vmid}`;
  return [{ vm: { name, args: toArguments(cluster, { ...guest, name }, config, guest.pool ?? into) } }];
}

/** Two guests of one name get their place and vmid into it. */
function withUniqueNames(vms: readonly ImportedVm[]): ImportedVm[] {
  const count = new Map<string, number>();
  for (const { name } of vms) count.set(name, (count.get(name) ?? 0) + 1);
  return vms.map(({ name, args }) => {
    const { cluster, vmid } = args.adopt as { cluster: string; vmid: number };
    return { name: count.get(name) === 1 ? name : `${name}-${cluster}-${vmid}`, args };
  });
}
