/** Files of ours that others read at any moment, or that hold the only copy of something. */
import { randomUUID } from "node:crypto";
import { open, rename, rm, stat } from "node:fs/promises";

/**
 * Replaces a file, or makes it: whole or not at all, also for whoever reads it meanwhile.
 *
 * @param options.mode of the file, from the first byte on; default: that of the file it replaces, or the process's own
 */
export async function replaceFile(file: string, text: string, { mode }: { mode?: number } = {}): Promise<void> {
  const wanted = mode ?? (await modeOf(file));
  const draft = `${file}.${randomUUID()}.tmp`;
  try {
    const handle = await open(draft, "wx", wanted);
    try {
      // The process's umask may have taken from it.
      if (wanted !== undefined) await handle.chmod(wanted);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function modeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mode & 0o777;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
