import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { CommandResult, ExportedResource, ExportedStack } from "../support/engine";
import { DATABARN, EXAMPLE_GUESTS, type ExampleStack, startExample, WORLDSTREAM } from "./support/example-stack";
import { checksumsByDrive, listAddresses, listGuests } from "./support/federation-view";
import { countWrites } from "./support/requests";

/** The whole program code that a stack's state may ever hold. */
const PROVIDER_TEXTS = ["federatedVm", "proxmoxDisk", "resourcePool"].map(
  (handler) => `exports.handler=()=>require("proxmox-federation/runtime").${handler}`,
);

/** A stack whose credentials come from the environment and, for one cluster, from its own secret configuration. */
describe("the state of a stack", () => {
  let example: ExampleStack;
  let secrets: string[];

  beforeAll(async () => {
    example = await startExample({
      prepare: async (federation) => {
        const secret = federation.env.WORLDSTREAM_TOKEN!;
        delete federation.env.WORLDSTREAM_TOKEN;
        await federation.edit((text) => text.replace("token_secret_env: WORLDSTREAM_TOKEN", "token_secret_config: worldstreamToken"));
        return { secrets: { "proxmox-federation:worldstreamToken": secret } };
      },
    });
    secrets = example.federation.simulator.clusters.flatMap(({ tokens }) => Object.values(tokens));
    await example.stack.up();
  });
  afterAll(async () => {
    await example?.stop();
  });

  const world = () => example.federation.simulator.world;

  it("is brought about with a token from the stack's secret configuration", () => {
    expect(listAddresses(world())).toEqual(EXAMPLE_GUESTS.map((name) => `${name}@${name === "dev-1" ? "hetzner-edge" : WORLDSTREAM}`));
  });

  it("holds no secret, neither exported nor in any file of state, history, logs and configuration", async () => {
    const { stack } = example;
    expect(secrets).toHaveLength(3);
    const needles = secrets.flatMap(disguisesOf);
    expect(findNeedles(JSON.stringify(await stack.export()), needles)).toEqual([]);
    // The engine keeps the stack's configuration with the state, encrypted; no resource of ours holds a secret in any form.
    const decrypted = JSON.parse((await stack.run(["stack", "export", "--show-secrets"])).stdout) as ExportedStack;
    const ours = decrypted.deployment.resources?.filter(({ type }) => type.startsWith("pulumi-nodejs:dynamic/"));
    expect(ours).toHaveLength(EXAMPLE_GUESTS.length + 2);
    expect(findNeedles(JSON.stringify(ours), needles)).toEqual([]);
    const files = listFiles(stack.stateDir);
    // The state itself and the encrypted configuration are among them, or the search proves nothing.
    expect(files.filter((file) => /stacks\/.*test\.json$/.test(file))).not.toEqual([]);
    expect(files.some((file) => readFileSync(file, "latin1").includes("proxmox-federation:worldstreamToken"))).toBe(true);
    expect(files.filter((file) => findNeedles(readFileSync(file, "latin1"), needles).length > 0)).toEqual([]);
  });

  it("holds no program code but the three constant lines", async () => {
    const resources = await example.stack.resources();
    const providers = resources.flatMap(({ inputs, outputs }) => [inputs?.__provider, outputs?.__provider]);
    expect([...new Set(providers)].sort()).toEqual(PROVIDER_TEXTS);
    const code = stringsIn(resources).filter((text) => /require\(|=>|\bfunction\b|__awaiter/.test(text));
    expect([...new Set(code)].sort()).toEqual(PROVIDER_TEXTS);
  });

  describe("that cannot be brought about", () => {
    /** Runs `up`, which must refuse with one error that says this, in plain words, and must leave everything as it is. */
    async function expectRefusal(says: RegExp[], env: Record<string, string> = {}): Promise<CommandResult> {
      const { federation, stack } = example;
      const guests = listGuests(world());
      const data = checksumsByDrive(world());
      const results = resultsOf(await stack.resources());
      await federation.admin("DELETE", "/requests");
      const result = await stack.start("up", { env }).ended;
      expect(result.code).not.toBe(0);
      const screen = `${result.stdout}\n${result.stderr}`;
      for (const pattern of says) expect(screen).toMatch(pattern);
      expect(screen).not.toMatch(/^\s+at /m);
      expect(new Set(errorsOf(result)).size).toBe(1);
      expect(findNeedles(screen, secrets.flatMap(disguisesOf))).toEqual([]);
      expect(await countWrites(federation)).toBe(0);
      expect(listGuests(world())).toEqual(guests);
      expect(checksumsByDrive(world())).toEqual(data);
      expect(resultsOf(await stack.resources())).toEqual(results);
      return result;
    }

    /** Runs with another federation.yaml, and puts the former one back. */
    async function withFile<T>(change: (text: string) => string, work: () => Promise<T>): Promise<T> {
      const { federation } = example;
      let former = "";
      await federation.edit((text) => {
        former = text;
        const changed = change(text);
        if (changed === text) throw new Error("the change of federation.yaml changes nothing");
        return changed;
      });
      try {
        return await work();
      } finally {
        await federation.edit(() => former);
      }
    }

    it("names the cluster whose token is wrong", async () => {
      const wrong = "00000000-1111-2222-3333-444444444444";
      const { stdout } = await expectRefusal([/databarn-dr/, /token/i], { DATABARN_TOKEN: wrong });
      expect(stdout).not.toContain(wrong);
    });

    it("names file, line and key of what federation.yaml does not know", async () => {
      await withFile(
        (text) => text.replace("tier: primary", "teir: primary"),
        () => expectRefusal([/federation\.yaml:\d+:\d+: clusters\[0\]\.teir: .*tier/]),
      );
    });

    it("names the rule that cannot be met", async () => {
      await withFile(
        (text) =>
          setClusterStatus(text, WORLDSTREAM, "draining").replace(
            /operator: should,(\s+)value: worldstream-prod/,
            "operator: must,$1value: worldstream-prod",
          ),
        () =>
          expectRefusal([
            /Cannot place (?:web-1|web-2|db-1): 0 of 6 nodes fit/,
            /worldstream-prod is draining/,
            /affinity.*worldstream-prod/,
          ]),
      );
    });

    it("names the storage that is full where a drained cluster's VMs would go", async () => {
      const { federation } = example;
      const fill = async (freeBytes: number) => {
        for (const node of ["rtm-1", "rtm-2"]) await federation.admin("POST", `/storages/${DATABARN}/ssd`, { freeBytes, node });
      };
      await fill(1024 ** 3);
      await example.setStatus({ [WORLDSTREAM]: "draining" });
      try {
        await expectRefusal([/ssd/, /free/]);
      } finally {
        await fill(Number.MAX_SAFE_INTEGER);
        await example.setStatus({ [WORLDSTREAM]: "active" });
      }
    });

    it("is as it was when the mistake is gone", async () => {
      await example.stack.preview({ args: ["--expect-no-changes"] });
    });
  });

  it("is still previewed and updated where one cluster is down, with a warning that names it", async () => {
    const { federation, stack } = example;
    await federation.admin("POST", "/clusters/hetzner-edge", { status: "down" });
    const { stdout } = await stack.up({ args: ["--expect-no-changes"] });
    expect(stdout).toMatch(/warning: cluster hetzner-edge is left out: .+/);
    await federation.admin("POST", "/clusters/hetzner-edge", { status: "up" });
  });
});

function errorsOf({ diagnostics }: CommandResult): string[] {
  return diagnostics
    .filter(({ severity, message }) => severity === "error" && message.trim() !== "update failed")
    .map(({ message }) => message.trim());
}

/** What is recorded of each resource; of a pool only that it is there, since its definition is what federation.yaml says. */
function resultsOf(resources: ExportedResource[]): unknown[] {
  return resources
    .map(({ urn, type, id, outputs }) => ({ urn, id, ...(type.endsWith(":ResourcePool") ? {} : { outputs }) }))
    .sort((a, b) => (a.urn < b.urn ? -1 : 1));
}

/** A text as it is, and what base64 of it looks like at each of the three offsets it may have in a longer text. */
function disguisesOf(text: string): string[] {
  const encoded = ["", "x", "xx"].map((before) => {
    const whole = Buffer.from(before + text)
      .toString("base64")
      .replaceAll("=", "");
    // The first and last characters depend on the neighbours.
    return whole.slice(before === "" ? 0 : 4, -2);
  });
  return [text, ...encoded];
}

function findNeedles(text: string, needles: readonly string[]): string[] {
  return needles.filter((needle) => text.includes(needle));
}

function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function stringsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(stringsIn);
}
