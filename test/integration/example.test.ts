import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { REPOSITORY } from "./support/example-stack";

it.each(["multi-site", "joint-placement", "zoned-storage"])(
  "the program of %s type-checks against the compiled package, as a user's does",
  async (example) => {
    const compiler = join(REPOSITORY, "node_modules", "typescript", "bin", "tsc");
    const project = join(REPOSITORY, "examples", example);
    const { stdout } = await promisify(execFile)(process.execPath, [compiler, "--noEmit", "--listFiles", "-p", project]).catch((error) => {
      throw new Error(`the example does not compile:\n${error.stdout}`);
    });
    const files = stdout.split("\n");
    expect(files).toContain(join(project, "index.ts"));
    // Not by the sources, which no user has.
    expect(files).toContain(join(REPOSITORY, "dist", "index.d.ts"));
    expect(files.filter((file: string) => file.startsWith(join(REPOSITORY, "src")))).toEqual([]);
  },
);
