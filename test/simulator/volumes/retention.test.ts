import { expect, test } from "vitest";
import { markForPruning, parseRetention, retentionFormat, retentionLimit } from "../../../src/simulator/volumes/retention";

const at = (time: string, isProtected = false) => ({ ctimeSeconds: Date.parse(time) / 1000, protected: isProtected });
const archives = [
  at("2026-03-03T20:00:00Z"),
  at("2026-03-03T08:00:00Z"),
  at("2026-03-02T20:00:00Z", true),
  at("2026-03-02T08:00:00Z"),
  at("2026-02-10T08:00:00Z"),
];
const marks = (retention: string) => markForPruning(archives, parseRetention(retention)).join(" ");

test("protected archives neither go nor count", () => {
  expect(marks("keep-last=2")).toBe("keep keep protected remove remove");
});

test("the newest archive of each period stays", () => {
  expect(marks("keep-daily=2")).toBe("keep remove protected keep remove");
  expect(marks("keep-monthly=2")).toBe("keep remove protected remove keep");
});

test("a rule does not spend its count on periods an earlier rule covers", () => {
  expect(marks("keep-last=1,keep-daily=1")).toBe("keep remove protected keep remove");
});

test("without a rule everything stays", () => {
  expect(marks("keep-all=1")).toBe("keep keep protected keep keep");
  expect(marks("keep-last=0")).toBe("keep keep protected keep keep");
});

test("the limit is the sum of the rules", () => {
  expect(retentionLimit(parseRetention("keep-last=3,keep-daily=2"))).toBe(5);
});

test("bad retentions are named", () => {
  expect(retentionFormat("keep-last=3")).toBeUndefined();
  expect(retentionFormat("keep-last=-1")).toBe("format error\nprune-backups.keep-last: value must have a minimum value of 0");
  expect(retentionFormat("keep-all=1,keep-last=3")).toBe("keep-all cannot be set together with other options.");
});
