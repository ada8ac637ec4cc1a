import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EngineReplay, type EngineReplayOptions } from "./engine-replay";
import { type PropertyMap, secret, unknownValue } from "./property-values";
import { ProviderProcess } from "./provider-process";
import { type DesiredResource, OperationFailedError, type StepOperation } from "./replay-model";

// Each operation starts a process, whatever project these tests run in.
vi.setConfig({ testTimeout: 120_000 });

const fixture = join(__dirname, "fixtures", "minimal-program");
const provider = 'exports.handler=()=>require("./provider").thing';

/** For what happens in another process, on a machine that may be busy. */
const patience = { timeout: 15_000 };

let cloud: string;
beforeEach(() => {
  cloud = mkdtempSync(join(tmpdir(), "fake-cloud-"));
});
afterEach(() => rmSync(cloud, { recursive: true, force: true }));

function replay(options: Partial<EngineReplayOptions> = {}): EngineReplay {
  return new EngineReplay({ cwd: fixture, env: { FAKE_CLOUD: cloud }, ...options });
}

function thing(name: string, inputs: PropertyMap, more: Partial<DesiredResource> = {}): DesiredResource {
  return { type: "pulumi-nodejs:dynamic/fake:Thing", name, provider, inputs: { identity: name, size: 1, ...inputs }, ...more };
}

function operations(steps: { operation: StepOperation }[]): StepOperation[] {
  return steps.map((step) => step.operation);
}

function things(): string[] {
  return readdirSync(cloud)
    .filter((file) => file.endsWith(".json"))
    .sort();
}

function journal(): Record<string, unknown>[] {
  const path = join(cloud, "journal");
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

async function failureOf(operation: Promise<unknown>): Promise<OperationFailedError> {
  const error = await operation.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof OperationFailedError)) throw new Error(`expected a failed operation, got ${String(error)}`);
  return error;
}

describe("what the engine replay calls and records", () => {
  test("a create, an unchanged run, an update and a destroy", async () => {
    const engine = replay({ config: { greeting: "hello" } });
    expect(operations(await engine.up([thing("a", { site: "hel" })]))).toEqual(["create"]);
    expect(engine.get("a")).toMatchObject({ id: "hel/a", outputs: { path: "hel/a", greeting: "hello", __provider: provider } });

    expect(operations(await engine.up([thing("a", { site: "hel" })]))).toEqual(["same"]);
    expect(operations(await engine.up([thing("a", { site: "hel", size: 2 })]))).toEqual(["update"]);
    expect(engine.get("a")).toMatchObject({ inputs: { size: 2 }, outputs: { size: 2 } });
    expect(engine.calls.map((call) => call.method)).toEqual(["check", "create", "check", "diff", "check", "diff", "update"]);

    expect(operations(await engine.destroy())).toEqual(["delete"]);
    expect(engine.state.resources).toEqual([]);
    expect(things()).toEqual([]);
  });

  test("a replacement is checked twice, the second time without old inputs, and deletes the old one last", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel" }), thing("b", { site: "hel" })]);
    engine.calls.length = 0;
    const steps = await engine.up([thing("a", { site: "fsn" }), thing("b", { site: "fsn" }, { dependsOn: ["a"] })]);

    expect(operations(steps)).toEqual(["replace", "replace", "delete-replaced", "delete-replaced"]);
    const ofA = engine.calls.filter((call) => call.name === "a").map((call) => [call.method, call.hasOlds]);
    expect(ofA).toEqual([
      ["check", true],
      ["diff", true],
      ["check", false],
      ["create", false],
      ["delete", true],
    ]);
    expect(engine.get("a").inputs).toMatchObject({ site: "fsn", from: "hel" });
    expect(journal().slice(2)).toMatchObject([{ created: "fsn/a", from: "hel" }, { created: "fsn/b" }, {}, {}]);
    expect(things()).toEqual(["fsn@a.json", "fsn@b.json"]);
    expect(operations(await engine.up([thing("a", { site: "fsn" }), thing("b", { site: "fsn" }, { dependsOn: ["a"] })]))).toEqual([
      "same",
      "same",
    ]);
  });

  test("a preview runs in another process than the update and changes nothing", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel" })]);
    const before = JSON.stringify(engine.state);
    const pids = new Set<number>();
    const program = [thing("a", { site: "fsn" }), thing("new", { site: "fsn" }), thing("a", { site: "fsn" }, { name: "third" })];
    const planned = await engine.preview(program);

    expect(operations(planned)).toEqual(["replace", "create", "create", "delete-replaced"]);
    expect(planned[0]).toMatchObject({ replaces: ["site"], inputs: { from: "hel" } });
    expect(JSON.stringify(engine.state)).toBe(before);
    expect(things()).toEqual(["hel@a.json"]);
    for (const entry of journal()) pids.add(entry.pid as number);
    await engine.up([thing("a", { site: "fsn" })]);
    for (const entry of journal()) pids.add(entry.pid as number);
    expect(pids.size).toBe(2);
  });

  test("in a preview the outputs of what is not made yet are unknown", async () => {
    const engine = replay();
    const program = [
      thing("a", { site: "hel" }),
      thing(
        "b",
        {},
        { dependsOn: ["a"], inputs: (resolve) => ({ identity: "b", size: 1, site: "hel", note: resolve("a").outputs.path ?? null }) },
      ),
    ];
    const [, planned] = await engine.preview(program);
    expect(planned?.inputs?.note).toBe(unknownValue);
    await engine.up(program);
    expect(engine.get("b").outputs.note).toBe("hel/a");
    expect(operations(await engine.preview(program))).toEqual(["same", "same"]);
  });

  test("dependents are deleted before what they depend on", async () => {
    const engine = replay();
    await engine.up([
      thing("a", { site: "hel" }),
      thing("b", { site: "hel" }, { dependsOn: ["a"] }),
      thing("c", { site: "hel" }, { dependsOn: ["b"] }),
    ]);
    await engine.destroy();
    expect(journal().map((entry) => entry.deleted)).toEqual([undefined, undefined, undefined, "hel/c", "hel/b", "hel/a"]);
  });

  test("creates run side by side where no dependency forbids it", async () => {
    for (const name of ["a", "b"]) writeFileSync(join(cloud, `hold-create-${name}`), "");
    const engine = replay();
    const done = engine.up([thing("a", { site: "hel" }), thing("b", { site: "hel" })]);
    await expect.poll(() => journal().filter((entry) => entry.held === "create").length, patience).toBe(2);
    for (const name of ["a", "b"]) rmSync(join(cloud, `hold-create-${name}`));
    expect(operations(await done)).toEqual(["create", "create"]);
  });

  test("a targeted replacement checks without old inputs and asks for no diff", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel" })]);
    engine.calls.length = 0;
    expect(operations(await engine.up([thing("a", { site: "hel" })], { replace: ["a"] }))).toEqual(["replace", "delete-replaced"]);
    expect(engine.calls.map((call) => [call.method, call.hasOlds]).slice(0, 2)).toEqual([
      ["check", false],
      ["create", false],
    ]);
  });
});

describe("failures in the engine replay", () => {
  test("a failed check names the input, and nothing is made", async () => {
    const engine = replay();
    const { failures } = await failureOf(engine.up([thing("a", { site: "hel", size: -1 }), thing("b", { site: "hel" })]));
    expect(failures).toEqual([{ name: "a", method: "check", property: "size", message: "size is -1, and must not be negative" }]);
    expect(engine.state.resources).toEqual([]);
  });

  test("after a failed create nothing is deleted, and the old resource stays", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel" }), thing("b", { site: "hel" })]);
    const { failures } = await failureOf(engine.up([thing("a", { site: "fsn", breaks: "create" })]));
    expect(failures).toEqual([{ name: "a", method: "create", message: "no room for a at fsn" }]);
    expect(engine.state.resources.map((resource) => [resource.id, resource.delete])).toEqual([
      ["hel/a", false],
      ["hel/b", false],
    ]);
    expect(engine.state.pendingCreates).toEqual([]);
    expect(things()).toEqual(["hel@a.json", "hel@b.json"]);
  });

  test("a create that fails with an id marks the old resource for deletion and is updated at the next run", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel" })]);
    await failureOf(engine.up([thing("a", { site: "fsn", breaks: "late" })]));
    expect(engine.get("a")).toMatchObject({ id: "fsn/a", initErrors: ["it does not start"] });
    expect(engine.state.resources.map((resource) => [resource.id, resource.delete])).toEqual([
      ["hel/a", true],
      ["fsn/a", false],
    ]);
    expect(operations(await engine.up([thing("a", { site: "fsn" })]))).toEqual(["update", "delete-replaced"]);
    expect(things()).toEqual(["fsn@a.json"]);
  });

  test("a process killed in a create leaves a pending create, and in a delete a pending deletion done at the next run", async () => {
    writeFileSync(join(cloud, "hold-create-a"), "");
    const engine = replay();
    const dying = failureOf(engine.up([thing("a", { site: "hel" })]));
    await expect.poll(() => journal().length, patience).toBe(1);
    engine.kill();
    expect((await dying).failures).toMatchObject([{ name: "a", method: "create", providerGone: true }]);
    expect(engine.state).toMatchObject({ resources: [], pendingCreates: [expect.stringMatching(/::a$/)] });
    rmSync(join(cloud, "hold-create-a"));
    await engine.up([thing("a", { site: "hel" })]);
    expect(engine.state.pendingCreates).toEqual([]);

    writeFileSync(join(cloud, "hold-delete-a"), "");
    const interrupted = failureOf(engine.up([thing("a", { site: "fsn" })]));
    await expect.poll(() => journal().some((entry) => entry.held === "delete"), patience).toBe(true);
    engine.kill();
    await interrupted;
    expect(engine.state.resources.map((resource) => [resource.id, resource.delete])).toEqual([
      ["hel/a", true],
      ["fsn/a", false],
    ]);
    rmSync(join(cloud, "hold-delete-a"));
    expect(operations(await engine.up([thing("a", { site: "fsn" })]))).toEqual(["same", "delete-replaced"]);
    expect(things()).toEqual(["fsn@a.json"]);
  });

  test("a call can be the moment of the kill", async () => {
    const engine: EngineReplay = replay({ onCall: (call) => call.method === "create" && engine.kill() });
    const { failures } = await failureOf(engine.up([thing("a", { site: "hel" })]));
    expect(failures).toMatchObject([{ method: "create", providerGone: true }]);
  });
});

describe("refresh in the engine replay", () => {
  test("no drift, drift in a value, and a resource that is gone", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel" }), thing("b", { site: "hel" })]);
    expect((await engine.refresh()).map((step) => [step.operation, step.drift])).toEqual([
      ["refresh", false],
      ["refresh", false],
    ]);
    writeFileSync(join(cloud, "hel@a.json"), JSON.stringify({ identity: "a", site: "hel", size: 7 }));
    rmSync(join(cloud, "hel@b.json"));
    const steps = await engine.refresh();
    expect(steps.find((step) => step.name === "a")).toMatchObject({ operation: "refresh", drift: true });
    expect(steps.find((step) => step.name === "b")).toMatchObject({ operation: "delete" });
    expect(engine.state.resources.map((resource) => resource.outputs.size)).toEqual([7]);
    expect(operations(await engine.up([thing("a", { site: "hel" })]))).toEqual(["update"]);
  });
});

describe("values in the engine replay", () => {
  test("a secret reaches the provider in plain text and is secret in the state at the same path only", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel", note: secret("hunter2"), nested: { token: secret("hunter3"), open: "yes" } })]);
    expect(JSON.stringify(engine.state)).not.toMatch(/hunter/);
    expect(JSON.stringify(engine.state)).toMatch(/"open":"yes"/);
    expect(readFileSync(join(cloud, "hel@a.json"), "utf8")).toContain("hunter2");
  });

  test("an output named as additionally secret is secret", async () => {
    const engine = replay();
    await engine.up([thing("a", { site: "hel" }, { additionalSecretOutputs: ["path"] })]);
    expect(JSON.stringify(engine.get("a").outputs.path)).toContain("ciphertext");
  });

  test("undefined is refused with its path", async () => {
    const inputs = { site: "hel", nested: { list: [1, undefined] } } as unknown as PropertyMap;
    const { failures } = await failureOf(replay().up([thing("a", inputs)]));
    expect(failures[0]?.message).toMatch(/cannot hold undefined \(undefined\) at "nested\.list\[1\]"/);
  });

  test("an unknown value in an update is refused", async () => {
    const { failures } = await failureOf(replay().up([thing("a", { site: "hel", note: unknownValue })]));
    expect(failures[0]?.message).toMatch(/unknown value during an update \(check: note\)/);
  });
});

test("a provider that cannot be loaded is an error with its reason, and no process stays", async () => {
  const process = await ProviderProcess.start({ cwd: fixture });
  try {
    const broken = { __provider: 'exports.handler=()=>require("./absent").thing' };
    await expect(process.check("urn", {}, broken)).rejects.toThrow(/Cannot find module '\.\/absent'/);
    expect(process.output.join("\n")).toContain("Cannot find module");
  } finally {
    await process.stop();
  }
  expect(() => globalThis.process.kill(process.pid, 0)).toThrow(/ESRCH/);
});
