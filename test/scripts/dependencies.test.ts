import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ensureSelfLink, findLockMismatch } from "../../scripts/setup/dependencies.mjs";
import { isAtLeast, requireNode } from "../../scripts/setup/node-version.mjs";

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "repository-")));
  write("package.json", { name: "some-package", exports: { "./runtime": "./runtime.js" } });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, content: unknown): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
}

const wanted = {
  "": { name: "some-package" },
  "node_modules/some-package": { resolved: "", link: true },
  "node_modules/zod": { version: "4.0.0", integrity: "sha512-z" },
  "node_modules/only-elsewhere": { version: "1.0.0", integrity: "sha512-o", optional: true },
};

function install(packages: Record<string, unknown>): void {
  write("package-lock.json", { packages: wanted });
  write("node_modules/.package-lock.json", { packages });
  for (const path of Object.keys(packages)) write(`${path}/package.json`, {});
}

describe("what is installed", () => {
  test("matches the lockfile, with what is for other platforms left out", () => {
    install({ "node_modules/zod": { version: "4.0.0", integrity: "sha512-z" } });
    expect(findLockMismatch(root)).toBeUndefined();
  });

  test.each([
    ["another version", { "node_modules/zod": { version: "3.9.0", integrity: "sha512-z" } }, "node_modules/zod is not version 4.0.0"],
    ["other content", { "node_modules/zod": { version: "4.0.0", integrity: "sha512-x" } }, "node_modules/zod is not version 4.0.0"],
    ["nothing", {}, "node_modules/zod is missing"],
  ])("does not match with %s", (_name, packages, expected) => {
    install(packages);
    expect(findLockMismatch(root)).toBe(expected);
  });

  test("does not match without node_modules, nor with a folder deleted by hand", () => {
    write("package-lock.json", { packages: wanted });
    expect(findLockMismatch(root)).toBe("node_modules is missing");
    install({ "node_modules/zod": { version: "4.0.0", integrity: "sha512-z" } });
    rmSync(join(root, "node_modules/zod"), { recursive: true });
    expect(findLockMismatch(root)).toBe("node_modules/zod is missing");
  });
});

describe("the link to the package itself", () => {
  beforeEach(() => mkdirSync(join(root, "node_modules")));

  test("lets code without a file name load the package from any folder of the repository", () => {
    write("runtime.js", "module.exports = 42;");
    mkdirSync(join(root, "examples/deep"), { recursive: true });
    ensureSelfLink(root);
    ensureSelfLink(root);
    // As Pulumi's provider process does it: a module compiled from a string.
    const load = `const m = new (require("node:module"))(""); m.paths = require("node:module")._nodeModulePaths(process.cwd());
      m._compile('module.exports = require("some-package/runtime")', ""); console.log(m.exports)`;
    expect(execFileSync(process.execPath, ["-e", load], { cwd: join(root, "examples/deep"), encoding: "utf8" }).trim()).toBe("42");
  });

  test("replaces a link to elsewhere", () => {
    symlinkSync(tmpdir(), join(root, "node_modules/some-package"));
    ensureSelfLink(root);
    expect(realpathSync(join(root, "node_modules/some-package"))).toBe(root);
  });

  test("replaces a broken link, and refuses to remove a copy", () => {
    symlinkSync("absent", join(root, "node_modules/some-package"));
    ensureSelfLink(root);
    expect(realpathSync(join(root, "node_modules/some-package"))).toBe(root);
    rmSync(join(root, "node_modules/some-package"));
    write("node_modules/some-package/package.json", "{}");
    expect(() => ensureSelfLink(root)).toThrow(/copy of the package/);
    expect(readFileSync(join(root, "node_modules/some-package/package.json"), "utf8")).toBe("{}");
  });
});

describe("versions", () => {
  test.each([
    ["20.18.1", "20.18.1", true],
    ["v20.20.0", "20.18.1", true],
    ["20.9.9", "20.18.1", false],
    ["3.259.0-alpha.1", "3.200.0", true],
    ["nonsense", "3.200.0", false],
  ])("%s is at least %s: %s", (version, minimum, expected) => {
    expect(isAtLeast(version, minimum)).toBe(expected);
  });

  test("an old Node is refused with what to do", () => {
    expect(() => requireNode("18.20.0")).toThrow(/Node 18\.20\.0 is too old: 20\.18\.1 or newer.*nodejs\.org/);
    expect(() => requireNode()).not.toThrow();
  });
});
