/** A simulator's memory on disk: state, certificates, ports. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterCertificate } from "./certificate";
import type { FederationState } from "./state";

/** Wait that long after a change for more changes, in real time. */
const quietPeriodMs = 250;

export interface SavedSimulator {
  format: 1;
  state: FederationState;
  certificates: Record<string, ClusterCertificate>;
}

/** Reads what an earlier simulator left in the directory; `undefined` when there is nothing. */
export async function loadSimulator(directory: string): Promise<SavedSimulator | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, "simulator.json"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const saved = JSON.parse(text) as SavedSimulator;
  if (saved.format !== 1) throw new Error(`${directory}/simulator.json has format ${saved.format}; this version reads format 1`);
  return saved;
}

/** Writes the file some time after changes, never two at once, and always whole. */
export class Saver {
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly directory: string,
    private readonly snapshot: () => SavedSimulator,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Something has changed. */
  schedule(): void {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.save().catch(this.onError);
    }, quietPeriodMs);
    this.timer.unref();
  }

  /** Writes now; resolves when the file is in place. */
  save(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing = this.writing.catch(() => undefined).then(() => this.write());
    return this.writing;
  }

  private async write(): Promise<void> {
    const file = join(this.directory, "simulator.json");
    const text = JSON.stringify(this.snapshot());
    await mkdir(this.directory, { recursive: true });
    // It holds token secrets: for the owner only. A rename replaces the old file in one step.
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}
