import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheDirectory } from "../../scripts/setup/cache.mjs";
import { findBuiltEngine, wantedEngineVersion } from "../../scripts/setup/engine-build.mjs";
import { downloadEngine, findDownloadedEngine } from "../../scripts/setup/engine-download.mjs";
import { findEngineOnPath } from "../../scripts/setup/engine-on-path.mjs";
import { pulumiEnvironment } from "../../scripts/setup/environment.mjs";

const repository = join(__dirname, "..", "..");

let folder: string;
let lines: string[];
const log = (line: string) => lines.push(line);
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "engine-")));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function command(path: string, script: string): string {
  const file = join(folder, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

const onPath = (...folders: string[]) => ({ PATH: [...folders.map((each) => join(folder, each)), "/usr/bin", "/bin"].join(delimiter) });

describe("the engine on PATH", () => {
  test("is used when it is new enough and has its language host beside it", async () => {
    const pulumi = command("bin/pulumi", "echo v3.270.0");
    command("bin/pulumi-language-nodejs", "true");
    expect(await findEngineOnPath(log, onPath("bin"))).toEqual({
      pulumi,
      binDir: join(folder, "bin"),
      languageHostDir: join(folder, "bin"),
      source: "path",
      version: "3.270.0",
    });
    expect(lines).toEqual([]);
  });

  test("is used with a language host elsewhere on PATH", async () => {
    command("bin/pulumi", "echo v3.200.0");
    command("hosts/pulumi-language-nodejs", "true");
    expect(await findEngineOnPath(log, onPath("bin", "hosts"))).toMatchObject({ languageHostDir: join(folder, "hosts") });
  });

  test.each([
    ["is too old", "echo v3.199.9", /is version 3\.199\.9; 3\.200\.0 or newer is needed/],
    ["does not run", "exit 1", /is not a working Pulumi CLI/],
    ["has no language host", "echo v3.270.0", /has no pulumi-language-nodejs/],
  ])("is passed over with a line when it %s", async (_name, script, expected) => {
    command("bin/pulumi", script);
    expect(await findEngineOnPath(log, onPath("bin"))).toBeUndefined();
    expect(lines).toEqual([expect.stringMatching(expected)]);
  });

  test("is not the downloader that npm may put there", async () => {
    command("node_modules/.bin/pulumi", "echo v3.270.0");
    expect(await findEngineOnPath(log, onPath("node_modules/.bin"))).toBeUndefined();
    expect(lines).toEqual([]);
  });
});

describe("the engine in the cache", () => {
  const platform = `${process.platform}-${process.arch}`;

  test("is found when it is complete", () => {
    const version = wantedEngineVersion(repository);
    for (const name of ["pulumi", "pulumi-language-nodejs"]) command(`pulumi-${version}-${platform}/bin/${name}`, "true");
    expect(findBuiltEngine(repository, folder)).toBeUndefined();
    command(`pulumi-${version}-${platform}/bin/pulumi-resource-pulumi-nodejs`, "true");
    expect(findBuiltEngine(repository, folder)).toMatchObject({
      source: "build",
      version,
      binDir: join(folder, `pulumi-${version}-${platform}/bin`),
    });
    expect(findDownloadedEngine(repository, folder)).toBeUndefined();
  });

  // What npm and get.pulumi.com do is played by an npm that installs a downloader of ours.
  function npmThatInstalls(downloader: string): Record<string, string> {
    const npm = command("npm/npm", `mkdir -p node_modules/pulumi && cat > node_modules/pulumi/run.js <<'END'\n${downloader}\nEND`);
    return { PATH: [join(npm, ".."), "/usr/bin", "/bin"].join(delimiter), npm_execpath: "" };
  }

  async function download(downloader: string) {
    const env = npmThatInstalls(downloader);
    const before = { PATH: process.env.PATH, npm_execpath: process.env.npm_execpath };
    Object.assign(process.env, env);
    try {
      const env = { ...process.env, HOME: join(folder, "home") };
      return await downloadEngine({ root: repository, cache: folder, scratch: mkdtempSync(join(folder, "scratch-")), log, env });
    } finally {
      process.env.PATH = before.PATH;
      if (before.npm_execpath === undefined) delete process.env.npm_execpath;
      else process.env.npm_execpath = before.npm_execpath;
    }
  }

  test("comes from the download where that works, and the user's Pulumi home stays as it is", async () => {
    const engine = await download(`
      const { mkdirSync, writeFileSync } = require("node:fs");
      const bin = process.env.PULUMI_HOME + "/versions/" + process.env.PULUMI_VERSION + "/bin";
      mkdirSync(bin, { recursive: true });
      writeFileSync(bin + "/pulumi", "#!/bin/sh\\necho v" + process.env.PULUMI_VERSION, { mode: 0o755 });`);
    expect(engine).toMatchObject({ source: "download" });
    expect(findDownloadedEngine(repository, folder)).toEqual(engine);
    expect(existsSync(join(folder, "home"))).toBe(false);
    expect(lines).toEqual([expect.stringMatching(/^Downloading the Pulumi engine/)]);
  });

  test("is not what a refused download leaves, of which one line tells", async () => {
    expect(await download(`console.error("pulumi: fetch failed"); process.exit(1)`)).toBeUndefined();
    expect(lines.slice(1)).toEqual(["The download is not possible here: get.pulumi.com did not deliver it (pulumi: fetch failed)."]);
    expect(findDownloadedEngine(repository, folder)).toBeUndefined();
  });

  test("is not what does not run", async () => {
    expect(await download(`process.exit(0)`)).toBeUndefined();
    expect(lines.slice(1)).toEqual([expect.stringMatching(/what came does not run/)]);
  });

  test("is below the user's cache directory of the platform", () => {
    const home = "/home/kim";
    expect(cacheDirectory({ platform: "linux", env: {}, home })).toBe(join(home, ".cache/proxmox-federation"));
    expect(cacheDirectory({ platform: "linux", env: { XDG_CACHE_HOME: "/big" }, home })).toBe(join("/big/proxmox-federation"));
    expect(cacheDirectory({ platform: "darwin", env: {}, home })).toBe(join(home, "Library/Caches/proxmox-federation"));
    expect(cacheDirectory({ platform: "win32", env: { LOCALAPPDATA: "/local" }, home })).toBe(join("/local/proxmox-federation"));
  });
});

describe("the environment for pulumi", () => {
  const engine = {
    pulumi: "/engine/bin/pulumi",
    binDir: "/engine/bin",
    languageHostDir: "/engine/bin",
    source: "build" as const,
    version: "3.259.0",
  };

  test("keeps away from the user's home, login, stacks and settings", () => {
    const user = {
      PATH: "/usr/bin",
      HOME: "/home/kim",
      PULUMI_ACCESS_TOKEN: "pul-1",
      PULUMI_STACK: "prod",
      PULUMI_IGNORE_AMBIENT_PLUGINS: "1",
    };
    const env = pulumiEnvironment({ engine, workDir: repository, stateDir: join(folder, "state"), env: user });
    expect(env).toMatchObject({
      HOME: "/home/kim",
      PULUMI_HOME: join(folder, "state/pulumi-home"),
      PULUMI_BACKEND_URL: `file://${join(folder, "state/stacks")}`,
    });
    expect(Object.keys(env)).not.toEqual(expect.arrayContaining(["PULUMI_ACCESS_TOKEN"]));
    expect(Object.keys(env).filter((name) => ["PULUMI_STACK", "PULUMI_IGNORE_AMBIENT_PLUGINS"].includes(name))).toEqual([]);
    expect(existsSync(join(folder, "state/stacks"))).toBe(true);
  });

  test("finds the engine first, and the script that starts the provider process", () => {
    const { PATH } = pulumiEnvironment({ engine, workDir: join(repository, "examples"), stateDir: folder, env: { PATH: "/usr/bin" } });
    const folders = PATH?.split(delimiter) ?? [];
    expect(folders[0]).toBe("/engine/bin");
    expect(folders.some((each) => existsSync(join(each, "pulumi-resource-pulumi-nodejs")))).toBe(true);
    expect(folders.at(-1)).toBe("/usr/bin");
  });
});

test("what the set-up downloads is pinned by its hash", () => {
  const lock = JSON.parse(readFileSync(join(repository, "tools/pulumi-npm/package-lock.json"), "utf8"));
  expect(lock.packages["node_modules/pulumi"].integrity).toMatch(/^sha512-/);
});
