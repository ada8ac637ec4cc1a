import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { federate } from "./run";

const EXAMPLE = join(__dirname, "..", "..", "examples", "multi-site", "federation.yaml");

async function complete(...words: string[]): Promise<string[]> {
  const { code, out } = await federate(["__complete", "--", ...words], { FEDERATION_CONFIG: EXAMPLE });
  expect(code).toBe(0);
  return out.split("\n").filter((line) => line !== "");
}

describe("completion", () => {
  it("offers commands, without its own and without options", async () => {
    const offered = await complete("");
    expect(offered).toEqual(expect.arrayContaining(["allocate", "completion", "status", "validate"]));
    expect(offered.some((word) => word.startsWith("_") || word.startsWith("-"))).toBe(false);
    expect(await complete("sta")).toEqual(["status"]);
  });

  it("offers a command's options after a dash, and the values an option takes", async () => {
    expect(await complete("status", "--f")).toEqual(["--format"]);
    expect(await complete("status", "--format", "")).toEqual(["json", "text", "yaml"]);
    expect(await complete("-c", "other.yaml", "sta")).toEqual(["status"]);
    expect(await complete("completion", "z")).toEqual(["zsh"]);
  });

  it("offers names of the federation file, and none of a file that cannot be read", async () => {
    expect(await complete("allocate", "--pool", "prod")).toEqual(["production-pool"]);
    const { code, out } = await federate(["__complete", "--", "allocate", "--pool", ""], { FEDERATION_CONFIG: "missing.yaml" });
    expect([code, out]).toEqual([0, ""]);
  });
});

describe("the bash script", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "completion-"));
    // A stand-in for the command: the test is about the script.
    await writeFile(join(directory, "federate"), '#!/bin/sh\nprintf "%s\\n" "asked" "$@"\n');
    await chmod(join(directory, "federate"), 0o755);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("passes the words up to the cursor and takes one candidate a line", async () => {
    const { out: script } = await federate(["completion", "bash"]);
    const { stdout, status } = spawnSync(
      "bash",
      ["-c", `${script}\nCOMP_WORDS=(federate allocate --pool "a b" later); COMP_CWORD=3; _federate; printf '%s|' "\${COMPREPLY[@]}"`],
      { encoding: "utf8", env: { PATH: `${directory}${delimiter}${process.env.PATH}` } },
    );
    expect([status, stdout]).toEqual([0, "asked|__complete|--|allocate|--pool|a b|"]);
  });
});
