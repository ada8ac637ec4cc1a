/** Names for API calls that are the same in every run of the same program. */
import type { CallDescription } from "../../../src/simulator";
import type { SweptCall } from "./faults";

/** Times and process ids are in the names of tasks and archives. */
export function keyOf({ cluster, method, path }: CallDescription): string {
  const plain = path
    // A backup server's has one number more.
    .replaceAll(/UPID:([^:]*)(?::[0-9A-F]{8,16}){3,4}:([^:]*):([^:]*):[^/]*/g, "UPID:$1:$2:$3")
    .replaceAll(/fed(?:-|\\+x2d)move(?:-|\\+x2d)[0-9a-f]+/g, "MOVE")
    .replaceAll(/\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d/g, "TIME")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "TIME");
  return `${cluster} ${method} ${plain}`;
}

/** Counts calls by key. */
export class CallCounter {
  private readonly seen = new Map<string, number>();

  /** Which one it is of those with its key. */
  count(key: string): number {
    const nth = (this.seen.get(key) ?? 0) + 1;
    this.seen.set(key, nth);
    return nth;
  }
}

/** The calls of one run, in the order of their arrival. */
export class CallRecorder {
  readonly calls: SweptCall[] = [];
  private readonly counter = new CallCounter();
  private readonly open: { call: CallDescription; record: SweptCall }[] = [];

  arrived(call: CallDescription): void {
    const key = keyOf(call);
    // The only node of a backup server goes down with it.
    const [, node] = /^\/nodes\/(?!localhost\b)([^/]+)/.exec(call.path) ?? [];
    const [, vmid] = /\/qemu\/(\d+)/.exec(call.path) ?? [];
    const record: SweptCall = {
      index: this.calls.length + 1,
      key,
      nth: this.counter.count(key),
      cluster: call.cluster,
      ...(node === undefined ? {} : { node }),
      ...(vmid === undefined ? {} : { vmid }),
      startsTask: false,
    };
    this.calls.push(record);
    this.open.push({ call, record });
  }

  done(call: CallDescription, data: unknown): void {
    const entry = this.open.find((candidate) => candidate.call === call);
    if (entry && call.method !== "GET" && typeof data === "string" && data.startsWith("UPID:")) entry.record.startsTask = true;
  }
}
