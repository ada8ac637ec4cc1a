import { describe, expect, it } from "vitest";
import { parseProgress, TransferProgress } from "../../src/migration/progress";

const GIB = 1024 ** 3;

describe("a line of a task's log", () => {
  it.each([
    ["INFO:  12% (1.0 GiB of 8.0 GiB) in 5s, read: 245.8 MiB/s, write: 240.2 MiB/s", { percent: 12, bytes: GIB, totalBytes: 8 * GIB }],
    ["INFO: 100% (512.0 MiB of 512.0 MiB) in 3s", { percent: 100, bytes: GIB / 2, totalBytes: GIB / 2 }],
    ["progress 40% (read 3435973836 bytes, zeroes = 1% (4096 bytes), duration 9 sec)", { percent: 40, bytes: 3435973836 }],
    ["progress 7%", { percent: 7 }],
    ["mirror-scsi0: transferred 1.0 GiB of 8.0 GiB (12.50%) in 5s", { percent: 12, bytes: GIB, totalBytes: 8 * GIB }],
    ["INFO: starting new backup job", undefined],
    ["rate 250%", undefined],
  ])("%s", (line, progress) => {
    expect(parseProgress(line)).toEqual(progress);
  });
});

describe("the progress of a transfer", () => {
  it("names stage and percent, then rate and time left", () => {
    let nowMs = 0;
    const progress = new TransferProgress("web: restoring", () => nowMs);
    expect(progress.read(["start", "progress 10% (read 1073741824 bytes, duration 1 sec)"])).toBe("web: restoring: 10 %");
    nowMs = 10_000;
    // 1 GiB and 10 % more in 10 s.
    expect(progress.read(["progress 20% (read 2147483648 bytes, duration 11 sec)"])).toBe(
      "web: restoring: 20 %, 102 MiB/s, about 80s left",
    );
    nowMs = 90_000;
    expect(progress.read(["progress 100% (read 10737418240 bytes, duration 91 sec)"])).toBe("web: restoring: 100 %, 102 MiB/s");
  });

  it("says nothing twice, and nothing of lines without a percentage", () => {
    const progress = new TransferProgress("web: backing up", () => 0);
    expect(progress.read(["INFO:   4% (329.4 MiB of 8.0 GiB) in 3s"])).toBe("web: backing up: 4 %");
    expect(progress.read(["INFO:   4% (329.4 MiB of 8.0 GiB) in 3s"])).toBeUndefined();
    expect(progress.read(["done", ""])).toBeUndefined();
  });
});
