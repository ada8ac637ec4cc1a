import { expect, test } from "vitest";
import { identityTag, MOVING_TAG, withoutOurTags } from "../../src/migration";

const ours = identityTag({ federation: "fed", stack: "shop/prod", kind: "vm", name: "web" });

test("a user's own tag stays, even one that begins like ours", () => {
  expect(withoutOurTags(["db", ours, "fed-x", MOVING_TAG, "fed-0123"])).toEqual(["db", "fed-x", "fed-0123"]);
});
