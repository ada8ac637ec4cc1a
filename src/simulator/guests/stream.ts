/** Reading at one place and writing at another, side by side: packing or deduplication makes them different amounts. */
import type { TaskContext } from "../kernel";

export interface Side {
  bytes: number;
  through: string[];
}

export interface Stream {
  read: Side;
  write: Side;
  limitBytesPerSecond?: number;
  /** What both sides have reached. */
  onProgress?(fraction: number): void;
}

/** Resolves when both are through: the slower one decides. */
export async function moveBytes(task: TaskContext, { read, write, limitBytesPerSecond, onProgress }: Stream): Promise<void> {
  const reached = { read: read.bytes === 0 ? 1 : 0, write: write.bytes === 0 ? 1 : 0 };
  const move = (kind: "read" | "write", { bytes, through }: Side) => {
    const report = (doneBytes: number) => {
      reached[kind] = doneBytes / bytes;
      onProgress?.(Math.min(reached.read, reached.write));
    };
    return task.transfer(bytes, through, limitBytesPerSecond, report, kind);
  };
  await Promise.all([move("read", read), move("write", write)]);
}
