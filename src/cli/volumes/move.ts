/**
 * `federate volumes move`: what a move takes and what stands in its way. It is made by the Pulumi program that declares the
 * volume and by nobody else: moved behind its back, the program's next run would move the volume back.
 */
import { roundedSize } from "../../config";
import { describePlace, samePlace } from "../../providers/volume/place";
import { describeUse, findKubernetesUse } from "../../providers/volume/usage";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { Format } from "../formats";
import type { CliIo } from "../io";
import { writeResult } from "../output";
import { type ConnectionOptions, type CsiVolume, connect, listCsiVolumes, requireVolume, resourceName } from "./volumes";

export interface MoveOptions extends ConnectionOptions {
  /** `region/zone` */
  to: string;
  dryRun?: boolean;
  format: Format;
}

interface MoveReport {
  volume: string;
  from: string;
  to: string;
  sizeBytes: number;
  /** Who has to let go of it first. */
  usedBy?: string;
  moved: false;
  /** What the reader has to do. */
  next: string;
}

export async function moveVolume(file: string, wanted: string, options: MoveOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const target = parseTarget(options.to);
  if (!federation.clusters.some(({ region }) => region === target.region))
    throw new UsageError(
      `--to ${options.to}: region ${target.region} is no cluster's (known: ${federation.clusters.map(({ region }) => region).join(", ")}).`,
    );
  const kubernetes = await connect(options);
  const volume = requireVolume(await listCsiVolumes(kubernetes), wanted);
  const { handle } = volume;
  if (!handle) throw new UsageError(`The volumeHandle of PersistentVolume ${volume.name} is not one of the Proxmox CSI plugin.`);
  if (samePlace(handle, target)) throw new UsageError(`Volume ${volume.name} is in ${describePlace(handle)} already.`);
  const usedBy = describeUse(await findKubernetesUse(kubernetes, volume.object));
  const report: MoveReport = {
    volume: volume.name,
    from: describePlace(handle),
    to: describePlace(target),
    sizeBytes: volume.sizeBytes,
    ...(usedBy === undefined ? {} : { usedBy }),
    moved: false,
    next: nextStep(volume, target, usedBy !== undefined),
  };
  writeResult(io.stdout, options.format, report, () => reportText(report));
  return options.dryRun === true && volume.mark !== undefined ? EXIT.ok : EXIT.finding;
}

function parseTarget(text: string): { region: string; zone: string } {
  const [region, zone, ...rest] = text.split("/");
  if (!region || !zone || rest.length > 0) throw new UsageError(`--to ${text}: write it as region/zone, for example eu-ams/ams-1.`);
  return { region, zone };
}

/** What the reader has to declare; the program alone moves a volume. */
export function nextStep({ name, mark }: CsiVolume, { region, zone }: { region: string; zone: string }, inUse: boolean): string {
  const quiesce = inUse ? " and quiesce: { kind, namespace, name } of the workload that uses it" : "";
  const own = `adopt: { persistentVolume: "${name}", takeOwnership: true }${quiesce}`;
  const then = `Run "pulumi up", which gives its disk an owner without copying it; then give it region: "${region}", zone: "${zone}", allowMove: true and run again.`;
  if (!mark) return `It belongs to no Pulumi program. Declare a ZonedPersistentVolume as it is, with ${own}. ${then}`;
  if (mark.adopted) return `In the program of stack ${mark.stack} give ZonedPersistentVolume ${resourceName(mark)} ${own}. ${then}`;
  return `In the program of stack ${mark.stack} give ZonedPersistentVolume ${resourceName(mark)} region: "${region}", zone: "${zone}", allowMove: true${quiesce}; "pulumi preview" shows the move, "pulumi up" makes it.`;
}

function reportText({ volume, from, to, sizeBytes, usedBy, next }: MoveReport): string {
  return [
    `${volume}: ${from} → ${to}, ${roundedSize(sizeBytes)}`,
    ...(usedBy === undefined ? [] : [`in use: ${usedBy}`]),
    "not moved by this command.",
    next,
  ].join("\n");
}
