import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

it("the table of cities is what the script writes from the installed package", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/gazetteer.mjs", "--check"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
