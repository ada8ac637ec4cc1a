import { readFileSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStack, type PulumiStack } from "../support/engine";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { REPOSITORY } from "./support/example-stack";
import { findLeftovers, getGuest } from "./support/federation-view";

const README = readFileSync(join(REPOSITORY, "README.md"), "utf8");

/** The first block of that language. */
function snippet(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "m").exec(README)?.[1];
  if (found === undefined) throw new Error(`README.md has no block of ${language}`);
  return found;
}

describe("the first program of the README, on the real engine", () => {
  let federation: SimulatedFederation;
  let project: string;
  let stack: PulumiStack;

  beforeAll(async () => {
    federation = await startSimulatedFederation({ text: snippet("yaml") });
    project = await mkdtemp(join(tmpdir(), "proxmox-federation-readme-"));
    await writeFile(join(project, "Pulumi.yaml"), "name: acme\nruntime: nodejs\n");
    await writeFile(join(project, "package.json"), "{}");
    await writeFile(join(project, "index.ts"), snippet("ts"));
    await symlink(join(REPOSITORY, "node_modules"), join(project, "node_modules"), "junction");
    stack = await createStack(project, { env: federation.env });
  });
  afterAll(async () => {
    stack?.dispose();
    await federation?.stop();
    if (project) await rm(project, { recursive: true, force: true });
  });

  it("makes the two VMs, on two nodes, with the README's file as it stands", async () => {
    const { changes } = await stack.up();
    expect(changes).toMatchObject({ create: 4 });
    const world = federation.simulator.world;
    expect([getGuest(world, "web-1").node, getGuest(world, "web-2").node].sort()).toEqual(["amsterdam-1", "frankfurt-1"]);
    await stack.destroy();
    expect(findLeftovers(world)).toEqual([]);
  });
});
