/**
 * `federate volumes move`. A volume that a Pulumi program declares is moved by that program and by nobody else: moved behind its
 * back, the program's next run would move it back. One that no program owns is moved here, by the same code.
 */
import { roundedSize } from "../../config";
import type { Workload } from "../../kubernetes";
import { FREE_STACK, type MigrationSummary } from "../../migration";
import { Session } from "../../providers/session";
import { type FreeVolume, type Place, planRelocation, relocate, takeOver } from "../../providers/volume/free/relocate";
import { clusterOfRegion, describePlace, samePlace } from "../../providers/volume/place";
import type { VolumeOutputs } from "../../providers/volume/state";
import { describeUse, findKubernetesUse } from "../../providers/volume/usage";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { Format } from "../formats";
import type { CliIo } from "../io";
import { confirmed } from "../migrate/confirm";
import { type Pacing, pacing } from "../migrate/pace";
import { writeResult } from "../output";
import { currentOf, isFree, toFreeVolume } from "./free-volume";
import { type ConnectionOptions, type CsiVolume, connect, listCsiVolumes, requireVolume, resourceName } from "./volumes";

export interface MoveOptions extends ConnectionOptions {
  /** `region/zone` */
  to: string;
  dryRun?: boolean;
  /** Lets a volume that nobody owns be taken over: without our mark no disk is changed. */
  adopt?: boolean;
  /** The workload that is scaled down meanwhile. */
  quiesce?: Workload;
  storageClass?: string;
  pool?: string;
  /** Outside the migration window too. */
  override?: boolean;
  /** Ask nothing. */
  yes?: boolean;
  format: Format;
}

/** A move that has begun and not succeeded; the message says where it stands. */
export class VolumeMoveFailedError extends Error {
  readonly code = "VOLUME_MOVE_FAILED";
}

interface MoveReport {
  volume: string;
  from: string;
  to: string;
  sizeBytes: number;
  /** Who has to let go of it. */
  usedBy?: string;
  moved: boolean;
  adoption?: string;
  migration?: MigrationSummary;
  /** Of the PersistentVolume that the claim is bound to now. */
  persistentVolume?: string;
  volumeHandle?: string;
  /** What the reader has to do. */
  next?: string;
}

export async function moveVolume(file: string, wanted: string, options: MoveOptions, io: CliIo): Promise<ExitCode> {
  const steps = pacing(io);
  const open = () => openSession(file, options, steps, io);
  const session = open();
  try {
    const { volume, to, report } = await findMove(session, wanted, options);
    const tell = (more: Partial<MoveReport>) => {
      const told = { ...report, ...more };
      const outcome = told.moved ? `moved: ${told.volumeHandle}` : "Nothing was changed.";
      writeResult(io.stdout, options.format, told, () => [reportText(told), outcome, ...(told.next ? [told.next] : [])].join("\n"));
    };
    const onlyTold = options.dryRun === true ? EXIT.ok : EXIT.finding;
    if (!isFree(volume)) {
      tell({ next: nextStep(volume, to, report.usedBy !== undefined) });
      return onlyTold;
    }
    const free = await declareFree(session, volume, to, options);
    const plan = await planRelocation(session, free, to);
    const mayAdopt = free.unowned === undefined || options.adopt === true;
    if (options.dryRun === true || !mayAdopt) {
      tell({ ...plan, ...(mayAdopt ? {} : { next: ADOPT }) });
      return onlyTold;
    }
    if (!(await confirmed(reportText({ ...report, ...plan }), options.yes === true, io))) {
      tell(plan);
      return EXIT.ok;
    }
    const { persistentVolume, volumeHandle } = await carryOut(open, free, to);
    tell({ ...plan, moved: true, persistentVolume, volumeHandle });
    return EXIT.ok;
  } finally {
    steps.end();
    await session.close();
  }
}

type Target = Required<Place>;

async function findMove(session: Session, wanted: string, options: MoveOptions) {
  const { clusters } = await session.federation();
  const to = parseTarget(options.to);
  if (!clusters.some(({ region }) => region === to.region))
    throw new UsageError(
      `--to ${options.to}: region ${to.region} is no cluster's (known: ${clusters.map(({ region }) => region).join(", ")}).`,
    );
  const kubernetes = await connect(options);
  const all = await listCsiVolumes(kubernetes);
  const volume = currentOf(requireVolume(all, wanted), all);
  const { name, handle, mark, sizeBytes, object } = volume;
  if (!handle) throw new UsageError(`The volumeHandle of PersistentVolume ${name} is not one of the Proxmox CSI plugin.`);
  // One of this command's may have left something to be finished.
  if (samePlace(handle, to) && mark?.stack !== FREE_STACK) throw new UsageError(`Volume ${name} is in ${describePlace(handle)} already.`);
  const usedBy = describeUse(await findKubernetesUse(kubernetes, object));
  const place = { from: describePlace(handle), to: describePlace(to) };
  const report: MoveReport = { volume: name, ...place, sizeBytes, ...(usedBy === undefined ? {} : { usedBy }), moved: false };
  return { volume, to, report };
}

async function declareFree(session: Session, volume: CsiVolume, to: Target, options: MoveOptions): Promise<FreeVolume> {
  const federation = await session.federation();
  if (options.pool === undefined && federation.defaultPool === undefined)
    throw new UsageError(
      `Which pool's rules hold for the volume? Name one with --pool (declared: ${federation.resourcePools.map(({ name }) => name).join(", ") || "none"}).`,
    );
  const clusterOf = (region: string) => session.cluster(clusterOfRegion(federation, region));
  const [source, target] = await Promise.all([clusterOf(volume.handle!.region), clusterOf(to.region)]);
  return toFreeVolume(volume, options, { source, target });
}

const ADOPT =
  "No program owns it, and without our mark no disk is changed. Declare it in a program (adopt), or repeat this with --adopt: its disk gets an owner VM of this command and is then moved.";

function openSession(file: string, { override }: MoveOptions, { pace }: Pacing, io: CliIo): Session {
  const settings: Record<string, string | undefined> = {
    "proxmox-federation:file": file,
    "proxmox-federation:overrideWindow": override === true ? "true" : undefined,
  };
  const session = new Session(pace, io.environment, { somebodyWaits: true });
  session.configure({ get: (key) => settings[key] });
  return session;
}

/** Each step looks anew, as each update of a program does: the first makes the owner that the second moves. */
async function carryOut(open: () => Session, volume: FreeVolume, to: Target): Promise<VolumeOutputs> {
  const { unowned, ...owned } = volume;
  if (unowned !== undefined) await step(open(), (session) => takeOver(session, volume));
  return step(open(), (session) => relocate(session, owned, to));
}

async function step<T>(session: Session, work: (session: Session) => Promise<T>): Promise<T> {
  try {
    return await work(session);
  } catch (error) {
    // What the migration throws plainly is meant for the user; anything else keeps its code.
    if (!(error instanceof Error) || error.constructor !== Error) throw error;
    throw new VolumeMoveFailedError(`${error.message}\nNothing is lost. Mend the cause and run the same command again.`, { cause: error });
  } finally {
    await session.close();
  }
}

function parseTarget(text: string): Target {
  const [region, zone, ...rest] = text.split("/");
  if (!region || !zone || rest.length > 0) throw new UsageError(`--to ${text}: write it as region/zone, for example eu-ams/ams-1.`);
  return { region, zone };
}

/** What the reader has to declare; the program alone moves a volume that it owns. */
export function nextStep({ name, mark }: CsiVolume, { region, zone }: { region: string; zone: string }, inUse: boolean): string {
  const quiesce = inUse ? " and quiesce: { kind, namespace, name } of the workload that uses it" : "";
  const own = `adopt: { persistentVolume: "${name}", takeOwnership: true }${quiesce}`;
  const then = `Run "pulumi up", which gives its disk an owner without copying it; then give it region: "${region}", zone: "${zone}", allowMove: true and run again.`;
  const declared = `In the program of stack ${mark?.stack} give ZonedPersistentVolume ${mark ? resourceName(mark) : name}`;
  if (mark?.adopted) return `${declared} ${own}. ${then}`;
  return `${declared} region: "${region}", zone: "${zone}", allowMove: true${quiesce}; "pulumi preview" shows the move, "pulumi up" makes it.`;
}

function reportText({ volume, from, to, sizeBytes, usedBy, adoption, migration }: MoveReport): string {
  const summary = Object.entries(migration ?? {}).map(([key, value]) => `  ${`${key}:`.padEnd(10)} ${String(value)}`);
  return [
    `${volume}: ${from} → ${to}, ${roundedSize(sizeBytes)}`,
    ...(usedBy === undefined ? [] : [`in use: ${usedBy}`]),
    ...(adoption === undefined ? [] : [adoption]),
    ...summary,
  ].join("\n");
}
