import { expect, test } from "vitest";
import { configDigest, formatGuestConfig, formatSection, parseSection } from "../../../src/simulator/guests/config-text";
import type { GuestState } from "../../../src/simulator/kernel";

const guest = (parts: Partial<GuestState>): GuestState => ({ config: {}, pending: {}, snapshots: {}, ...parts }) as GuestState;

test("an empty config has the digest of an empty file", () => {
  expect(configDigest(guest({}))).toBe("da39a3ee5e6b4b0d3255bfef95601890afd80709");
});

test("the description is a comment that survives any text", () => {
  const config = { name: "web", description: "first: 100%\n\nmüde" };
  expect(formatSection(config)).toBe("#first%3A 100%25\n#\n#m%C3%BCde\nname: web\n");
  expect(parseSection(formatSection(config))).toEqual(config);
});

test("pending changes and snapshots have sections, and only the main one is read back", () => {
  const text = formatGuestConfig(
    guest({
      config: { memory: "512" },
      pending: { memory: { value: "1024" }, net0: { delete: "soft" }, scsi1: { delete: "force" } },
      snapshots: { before: { config: { memory: "256" }, snaptime: 7, parent: "older" } } as unknown as GuestState["snapshots"],
    }),
  );
  expect(text).toBe(
    [
      "memory: 512",
      "",
      "[PENDING]",
      "delete: net0,!scsi1",
      "memory: 1024",
      "",
      "[before]",
      "memory: 256",
      "parent: older",
      "snaptime: 7",
      "",
    ].join("\n"),
  );
  expect(parseSection(text)).toEqual({ memory: "512" });
});
