import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ensureSelfLink } from "../../scripts/setup/dependencies.mjs";
import { CommandFailedError, createStack, type PulumiStack } from "./engine";
import { isRunning, killTree, listDescendants } from "./process-tree";

const fixture = join(__dirname, "fixtures", "minimal-program");
const timeoutMs = 180_000;

let cloud: string;
let stack: PulumiStack;

beforeAll(async () => {
  cloud = mkdtempSync(join(tmpdir(), "fake-cloud-"));
  stack = await createStack(fixture, { env: { FAKE_CLOUD: cloud }, config: { greeting: "hello" }, secrets: { token: "hunter2" } });
}, timeoutMs);

afterEach(() => rmSync(join(cloud, "journal"), { force: true }));

afterAll(() => {
  stack?.dispose();
  rmSync(cloud, { recursive: true, force: true });
});

const at = (site: string, things = "a,b") => ({ env: { THINGS: things, SITE: site } });

function things(): string[] {
  return readdirSync(cloud)
    .filter((file) => file.endsWith(".json"))
    .sort();
}

function journal(): Record<string, unknown>[] {
  const path = join(cloud, "journal");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** Process id of the provider whose create is held up. */
async function providerThatCreates(): Promise<number> {
  const held = () => journal().find((entry) => entry.held === "create")?.pid;
  await expect.poll(held, { timeout: 60_000 }).toBeDefined();
  return held() as number;
}

test(
  "up, an unchanged preview, a replacement, a refresh and a destroy run on the real engine",
  async () => {
    const before = readdirSync(fixture);
    const created = await stack.up(at("hel"));
    expect(created.diagnostics).toEqual([]);
    expect(created.steps.map((step) => [step.operation, step.name]).sort()).toEqual([
      ["create", "a"],
      ["create", "b"],
    ]);
    expect(things()).toEqual(["hel@a.json", "hel@b.json"]);
    const resources = await stack.resources();
    expect(resources.map((resource) => resource.id).sort()).toEqual(["hel/a", "hel/b"]);
    expect(resources[0]?.outputs).toMatchObject({ greeting: "hello", __provider: 'exports.handler=()=>require("./provider").thing' });

    const unchanged = await stack.preview({ ...at("hel"), args: ["--expect-no-changes"] });
    expect(unchanged.steps.map((step) => step.operation)).toEqual(["same", "same"]);

    const planned = await stack.preview(at("fsn"));
    expect(planned.steps.filter((step) => step.operation === "replace")).toMatchObject([
      { replaceKeys: ["site"], oldInputs: { site: "hel" }, inputs: { site: "fsn", from: "hel" } },
      { replaceKeys: ["site"] },
    ]);
    expect(planned.stdout).toMatch(/\+ from\s*: "hel"/);
    expect(things()).toEqual(["hel@a.json", "hel@b.json"]);

    const moved = await stack.up(at("fsn"));
    // The second check had no old inputs; what the first one decided is in the create all the same.
    expect(journal().filter((entry) => entry.created === "fsn/a")).toMatchObject([{ from: "hel" }]);
    expect(moved.steps.map((step) => step.operation)).toContain("delete-replaced");
    expect(moved.changes).toMatchObject({ replace: 2 });
    expect(things()).toEqual(["fsn@a.json", "fsn@b.json"]);

    const refreshed = await stack.refresh({ ...at("fsn"), args: ["--expect-no-changes"] });
    expect(refreshed.code).toBe(0);
    await stack.destroy(at("fsn"));
    expect(things()).toEqual([]);
    expect(await stack.resources()).toEqual([]);
    expect(readdirSync(fixture)).toEqual(before);
  },
  timeoutMs,
);

test(
  "a failing command rejects with its exit code and what the engine said",
  async () => {
    const failure = stack.up({ env: { THINGS: "a", SITE: "hel", SIZE: "-1" } });
    await expect(failure).rejects.toThrow(CommandFailedError);
    await expect(failure).rejects.toThrow(/size is -1, and must not be negative/);
  },
  timeoutMs,
);

test(
  "a kill ends every process, and the next up repeats what had no result",
  async () => {
    writeFileSync(join(cloud, "hold-create-a"), "");
    const command = stack.start("up", at("hel"));
    const provider = await providerThatCreates();
    const killed = await command.kill();
    expect(killed.code).toBe(-1);
    await expect.poll(() => isRunning(provider), { timeout: 60_000 }).toBe(false);
    rmSync(join(cloud, "hold-create-a"));
    await expect(stack.up(at("hel"))).rejects.toThrow(/the stack is currently locked/);
    await stack.cancel();
    const pending = (await stack.export()).deployment.pending_operations;
    // The create of b may or may not have been recorded as done by then.
    expect(pending).toContainEqual(
      expect.objectContaining({ type: "creating", resource: expect.objectContaining({ urn: expect.stringMatching(/::a$/) }) }),
    );
    await stack.up(at("hel"));
    expect(things()).toEqual(["hel@a.json", "hel@b.json"]);
    await stack.destroy(at("hel"));
  },
  timeoutMs,
);

test(
  "a kill of the command's own process group leaves the provider process alive",
  async () => {
    writeFileSync(join(cloud, "hold-create-a"), "");
    const command = stack.start("up", at("hel"));
    const provider = await providerThatCreates();
    const { survivors } = await command.killGroup();
    try {
      expect(survivors).toContain(provider);
      expect(isRunning(provider)).toBe(true);
    } finally {
      for (const pid of survivors) killTree(pid);
      rmSync(join(cloud, "hold-create-a"));
    }
    await expect.poll(() => survivors.filter(isRunning), { timeout: 60_000 }).toEqual([]);
  },
  timeoutMs,
);

test(
  "a TypeScript program in a folder below loads its provider by the package's own name",
  async () => {
    const root = mkdtempSync(join(tmpdir(), "linked-package-"));
    const write = (path: string, text: string) => {
      mkdirSync(join(root, path, ".."), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    write("Pulumi.yaml", "name: linked\nruntime: nodejs\nmain: examples/one\n");
    write("package.json", JSON.stringify({ name: "linked", exports: { "./runtime": "./runtime.js" } }));
    write("runtime.js", "exports.echo = { create: async ({ text }) => ({ id: text, outs: { text, cwd: process.cwd() } }) };");
    write("examples/one/package.json", JSON.stringify({ name: "one", private: true, main: "index.ts" }));
    write("examples/one/tsconfig.json", JSON.stringify({ compilerOptions: { module: "node16", types: [], skipLibCheck: true } }));
    write(
      "examples/one/index.ts",
      `import * as pulumi from "@pulumi/pulumi";
       class Echo extends pulumi.CustomResource {
         declare readonly cwd: pulumi.Output<string>;
         constructor(name: string, text: string) {
           const __provider = 'exports.handler=()=>require("linked/runtime").echo';
           super("pulumi-nodejs:dynamic/linked:Echo", name, { cwd: undefined, text, __provider });
         }
       }
       export const cwd = new Echo("one", "hello").cwd;`,
    );
    for (const name of ["@pulumi", "typescript"]) {
      mkdirSync(join(root, "node_modules"), { recursive: true });
      symlinkSync(join(__dirname, "..", "..", "node_modules", name), join(root, "node_modules", name));
    }
    ensureSelfLink(root);
    const linked = await createStack(root);
    try {
      const { steps } = await linked.up();
      expect(steps.map((step) => [step.operation, step.name])).toEqual([["create", "one"]]);
      const outputs = JSON.parse((await linked.run(["stack", "output", "--json"])).stdout);
      expect(outputs).toEqual({ cwd: realpathSync(join(root, "examples/one")) });
    } finally {
      linked.dispose();
      rmSync(root, { recursive: true, force: true });
    }
  },
  timeoutMs,
);

test("the descendants of a process without children are none", () => {
  expect(listDescendants(2 ** 22 + 1)).toEqual([]);
});
