/**
 * Bytes on the move. Every resource (`backend:<id>`, `link:<…>`) divides its bandwidth evenly
 * among the transfers that go through it at the moment; what one cannot use goes to the others.
 */
import { fairShares } from "./fair-shares";
import type { Clock } from "./kernel";

/** How often a transfer reports while nothing else changes. */
const progressPeriodMs = 1_000;

export interface TransferRequest {
  bytes: number;
  through: readonly string[];
  limitBytesPerSecond?: number;
  onProgress?: (doneBytes: number) => void;
  /** Called once, also when aborted, with the bytes that went through. */
  onEnd?: (doneBytes: number) => void;
  signal?: AbortSignal;
}

interface Transfer {
  request: TransferRequest;
  through: readonly string[];
  doneBytes: number;
  bytesPerSecond: number;
  finish: () => void;
}

export class Bandwidth {
  private readonly active = new Set<Transfer>();
  private settledAtMs = 0;
  private wake: AbortController | undefined;

  /** `capacity` tells a resource's bytes per virtual second; Infinity when it does not limit. */
  constructor(
    private readonly clock: Clock,
    private readonly capacity: (resource: string) => number,
  ) {}

  /** Resolves when all bytes are through; rejects with the signal's reason when aborted. */
  transfer(request: TransferRequest): Promise<void> {
    if (request.signal?.aborted) return Promise.reject(request.signal.reason);
    if (request.bytes <= 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.settle();
      const leave = () => {
        request.signal?.removeEventListener("abort", onAbort);
        this.active.delete(transfer);
        request.onEnd?.(Math.floor(transfer.doneBytes + 0.5));
      };
      const onAbort = () => {
        this.settle();
        leave();
        this.reschedule();
        reject(request.signal?.reason);
      };
      const transfer: Transfer = {
        request,
        through: [...new Set(request.through)],
        doneBytes: 0,
        bytesPerSecond: 0,
        finish: () => {
          leave();
          resolve();
        },
      };
      request.signal?.addEventListener("abort", onAbort, { once: true });
      this.active.add(transfer);
      this.reschedule();
    });
  }

  /** Credits what moved since the last change. */
  private settle(): void {
    const nowMs = this.clock.nowMs();
    const elapsedMs = nowMs - this.settledAtMs;
    this.settledAtMs = nowMs;
    for (const transfer of this.active) {
      transfer.doneBytes = Math.min(transfer.request.bytes, transfer.doneBytes + (transfer.bytesPerSecond * elapsedMs) / 1000);
    }
  }

  private reschedule(): void {
    this.wake?.abort();
    this.wake = undefined;
    if (this.active.size === 0) return;
    const transfers = [...this.active];
    const demands = transfers.map(({ through, request }) => ({
      through,
      limit: request.limitBytesPerSecond || Number.POSITIVE_INFINITY,
    }));
    const rates = fairShares(demands, this.capacity);
    let nextMs = progressPeriodMs;
    for (const [index, transfer] of transfers.entries()) {
      transfer.bytesPerSecond = rates[index]!;
      const leftBytes = transfer.request.bytes - transfer.doneBytes;
      nextMs = Math.min(
        nextMs,
        transfer.bytesPerSecond === Number.POSITIVE_INFINITY ? 0 : Math.ceil((leftBytes * 1000) / transfer.bytesPerSecond),
      );
    }
    const wake = new AbortController();
    this.wake = wake;
    this.clock.sleep(nextMs, wake.signal).then(
      () => this.tick(),
      () => undefined, // another change came first and has rescheduled
    );
  }

  private tick(): void {
    this.settle();
    for (const transfer of [...this.active]) {
      if (transfer.bytesPerSecond === Number.POSITIVE_INFINITY) transfer.doneBytes = transfer.request.bytes;
      transfer.request.onProgress?.(Math.floor(transfer.doneBytes));
      // Half a byte is rounding of the clock's whole milliseconds.
      if (transfer.doneBytes >= transfer.request.bytes - 0.5) transfer.finish();
    }
    this.reschedule();
  }
}
