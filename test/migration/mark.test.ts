import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  describeIdentity,
  formatDescription,
  type Identity,
  identityTag,
  isIdentityTag,
  type Mark,
  parseDescription,
  sameIdentity,
} from "../../src/migration";

const MARK: Mark = { federation: "fed", stack: "shop/prod", kind: "vm", name: "web", generation: 3, phase: "settled" };
const BLOCK = formatDescription("", MARK);

const identity: fc.Arbitrary<Identity> = fc.record({
  federation: fc.string({ unit: "grapheme" }),
  stack: fc.string({ unit: "grapheme" }),
  kind: fc.constantFrom("vm" as const, "disk" as const),
  name: fc.string({ unit: "grapheme" }),
});

const address = fc.record({ cluster: fc.string(), vmid: fc.integer({ min: 100, max: 999_999_999 }) });

const mark: fc.Arbitrary<Mark> = fc
  .tuple(
    identity,
    fc.nat(),
    fc.constantFrom<Mark["phase"]>("settled", "claimed", "restored", "moving", "retired"),
    fc.record({ source: address, successor: address }, { requiredKeys: [] }),
  )
  .map(([who, generation, phase, more]) => ({ ...who, generation, phase, ...more }));

/** What people write: anything but a block of ours and the lines vzdump writes, which have tests of their own. */
const text = fc
  .oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary" }),
    fc
      .array(fc.constantFrom("-->", "<!--", "\n", "\r\n", "%", "#", "{", "}", '"', "\\", " ", "a", "é", "😀"), { maxLength: 30 })
      .map((parts) => parts.join("")),
  )
  .filter((value) => !value.includes("proxmox-federation") && !/backup=0/.test(value));

/** As Proxmox keeps it: trailing newlines go. */
const stored = (description: string) => description.replace(/\n+$/, "");

describe("the description of a guest of ours", () => {
  it("gives back text and mark, whatever they hold", () => {
    fc.assert(
      fc.property(text, mark, (before, value) => {
        const parsed = parseDescription(stored(formatDescription(before, value)));
        expect(parsed.mark).toEqual(value);
        expect(parsed.text.trimEnd()).toBe(before.trimEnd());
      }),
      { numRuns: 500 },
    );
  });

  it("stays the same when it is read and written again", () => {
    fc.assert(
      fc.property(text, mark, (before, value) => {
        const once = formatDescription(before, value);
        const parsed = parseDescription(stored(once));
        expect(formatDescription(parsed.text, parsed.mark!)).toBe(once);
      }),
    );
  });

  it("is one HTML comment, which no value can close", () => {
    fc.assert(
      fc.property(mark, (value) => {
        const block = formatDescription("", value);
        expect(block.indexOf("-->")).toBe(block.length - 3);
      }),
    );
    expect(parseDescription(formatDescription("x", { ...MARK, name: "--> <script>" })).mark?.name).toBe("--> <script>");
  });

  it("keeps a text of the longest kind within Proxmox's 8192 characters, with the whole journal of a move", () => {
    const full: Mark = {
      ...MARK,
      name: "n".repeat(100),
      stack: "s".repeat(200),
      phase: "moving",
      source: { cluster: "worldstream-prod", vmid: 999_999_999 },
      successor: { cluster: "databarn-dr", vmid: 999_999_999 },
      attachedTo: { cluster: "worldstream-prod", vmid: 999_999_999, slot: "scsi30" },
      move: {
        id: "0123456789ab",
        target: { cluster: "databarn-dr", node: "n".repeat(63), vmid: 999_999_999 },
        wasRunning: true,
        onBoot: true,
        wasFenced: false,
        storage: "s".repeat(50),
        step: "rolling-back",
        archive: `store:backup/${"x".repeat(200)}`,
        restoreUpid: "u".repeat(200),
        startedAt: "2026-01-01T00:00:00.000Z",
      },
    };
    // 4096 is the longest description the resources take.
    expect(formatDescription("d".repeat(4096), full).length).toBeLessThanOrEqual(8192);
  });

  it.each<[string, string, string]>([
    ["behind the block", `the shop\n\n${BLOCK}\nscsi1: fast:vm-100-disk-1,backup=0,size=32M`, "the shop"],
    [
      "behind the block, several",
      `the shop\n\n${BLOCK}\nscsi1: fast:vm-100-disk-1,backup=0,size=32M\nvirtio2: local:100/vm-100-disk-2.raw,backup=0,size=1G`,
      "the shop",
    ],
    ["where there is no text", `${BLOCK}\nide0: fast:vm-100-disk-1,backup=0`, ""],
  ])("loses the lines that vzdump writes for left-out disks (%s)", (_where, description, expected) => {
    const parsed = parseDescription(description);
    expect(parsed.text.trimEnd()).toBe(expected);
    expect(parsed.mark).toEqual(MARK);
  });

  it("keeps what people write about disks", () => {
    const lines = "scsi1: the archive, left out of backups (backup=0)\nsee scsi1: backup=0\nbackup=0";
    expect(parseDescription(formatDescription(lines, MARK)).text).toBe(lines);
  });

  it("does not take a block that stands in the text for the guest's own", () => {
    const copied = formatDescription("copied from the other one", { ...MARK, name: "other" });
    expect(parseDescription(formatDescription(copied, MARK)).mark).toEqual(MARK);
    expect(parseDescription(formatDescription("<!-- proxmox-federation:v1 {", MARK)).mark).toEqual(MARK);
  });

  it.each<[string, string]>([
    ["CRLF all over", `the shop\r\n\r\n${BLOCK}\r\n`],
    ["text in front and behind", `the shop\n\n${BLOCK}\nadded by hand`],
    ["nothing else", BLOCK],
    ["blanks around", `  \n ${BLOCK} \n `],
  ])("is understood with %s", (_what, description) => {
    expect(parseDescription(description).mark).toEqual(MARK);
  });

  it("keeps what somebody has added behind the block", () => {
    expect(parseDescription(`the shop\n\n${BLOCK}\nadded by hand`).text).toBe("the shop\nadded by hand");
  });
});

describe("a description that is not ours", () => {
  const damaged = (json: string) => `text\n\n<!-- proxmox-federation:v1 ${json} -->`;
  it.each<[string, string | undefined]>([
    ["none at all", undefined],
    ["an empty one", ""],
    ["plain text", "just a guest"],
    ["a comment of somebody else", "<!-- managed by ansible -->"],
    ["a later version of the block", `<!-- proxmox-federation:v2 ${JSON.stringify(MARK)} -->`],
    ["a block cut off", BLOCK.slice(0, -6)],
    ["broken JSON", damaged("{federation: fed}")],
    ["JSON that is no mark", damaged("{}")],
    ["a mark without stack", damaged(JSON.stringify({ ...MARK, stack: undefined }))],
    ["a generation that is a text", damaged(JSON.stringify({ ...MARK, generation: "3" }))],
    ["a kind nobody knows", damaged(JSON.stringify({ ...MARK, kind: "container" }))],
  ])("(%s) has no mark", (_what, description) => {
    expect(parseDescription(description).mark).toBeUndefined();
  });

  it("never throws and always gives a text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(400), (noise, cut) => {
        const whole = BLOCK.slice(0, cut % BLOCK.length) + noise + BLOCK.slice(cut % BLOCK.length);
        expect(typeof parseDescription(whole).text).toBe("string");
      }),
    );
  });

  it("is kept as it is", () => {
    expect(parseDescription("scsi1: mine,backup=0\n").text).toBe("scsi1: mine,backup=0\n");
  });
});

describe("the identity tag", () => {
  it("is a valid Proxmox tag that stays as it is written", () => {
    fc.assert(
      fc.property(identity, (value) => {
        const tag = identityTag(value);
        expect(isIdentityTag(tag)).toBe(true);
        expect(tag).toMatch(/^[a-z0-9_][a-z0-9_+.-]*$/);
      }),
    );
  });

  it("is equal for equal identities, whatever else a mark holds", () => {
    fc.assert(
      fc.property(mark, (value) => {
        const later: Mark = { ...value, generation: value.generation + 1, phase: "retired" };
        expect(identityTag(later)).toBe(identityTag(value));
      }),
    );
  });

  const names = identity.filter((value) => ![value.federation, value.stack, value.name].some((part) => part.includes("\n")));
  it("differs between identities that differ", () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        expect(identityTag(a) === identityTag(b)).toBe(sameIdentity(a, b));
      }),
    );
  });

  it.each<[string, Identity]>([
    ["federation", { ...MARK, federation: "other" }],
    ["stack", { ...MARK, stack: "shop/test" }],
    ["kind", { ...MARK, kind: "disk" }],
    ["name", { ...MARK, name: "web-1" }],
  ])("depends on the %s", (_part, other) => {
    expect(identityTag(other)).not.toBe(identityTag(MARK));
    expect(sameIdentity(other, MARK)).toBe(false);
  });

  it.each(["fed-moving", "fed-", "fed-0123456789abcdeF", "fed-0123456789abcdef0", "xfed-0123456789abcdef"])(
    "is not taken for %s",
    (tag) => {
      expect(isIdentityTag(tag)).toBe(false);
    },
  );

  it("is a promise to every guest ever tagged", () => {
    expect(identityTag({ federation: "fed", stack: "shop/prod", kind: "vm", name: "web" })).toBe("fed-692c90b24c8ea111");
  });

  it("people read kind, name and stack", () => {
    expect(describeIdentity(MARK)).toBe("VM web of stack shop/prod");
    expect(describeIdentity({ ...MARK, kind: "disk" })).toBe("disk web of stack shop/prod");
  });
});
