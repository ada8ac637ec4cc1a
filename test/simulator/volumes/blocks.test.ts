import { expect, test } from "vitest";
import { contentBlocks, type DiskContent, diskChecksum, writeBlocks, zeroBlock } from "../../../src/simulator/volumes";

test("equal content has an equal checksum, in whatever order it was written", () => {
  const one: DiskContent = { blocks: {} };
  const other: DiskContent = { blocks: {} };
  writeBlocks(one, [0, 10, 2], ["a", "b", "c"]);
  writeBlocks(other, [10, 2, 0], ["x", "c", "a"]);
  expect(diskChecksum(one.blocks)).not.toBe(diskChecksum(other.blocks));
  writeBlocks(other, [10], ["b"]);
  expect(diskChecksum(one.blocks)).toBe(diskChecksum(other.blocks));
});

test("zeros make a hole", () => {
  const disk: DiskContent = { blocks: {} };
  writeBlocks(disk, [10, 2], ["b", "c"]);
  expect(contentBlocks(disk)).toEqual([
    { index: 2, contentId: "c" },
    { index: 10, contentId: "b" },
  ]);
  writeBlocks(disk, [10], [zeroBlock]);
  expect(contentBlocks(disk)).toEqual([{ index: 2, contentId: "c" }]);
});

test("only a disk with a dirty bitmap remembers what was written", () => {
  const plain: DiskContent = { blocks: {} };
  const tracked: DiskContent = { blocks: {}, dirty: {} };
  for (const disk of [plain, tracked]) writeBlocks(disk, [4], ["a"]);
  expect(plain.dirty).toBeUndefined();
  expect(tracked.dirty).toEqual({ 4: true });
});

test("lists of different lengths are refused", () => {
  expect(() => writeBlocks({ blocks: {} }, [1, 2], ["a"])).toThrow("2 blocks but 1 content ids");
});
