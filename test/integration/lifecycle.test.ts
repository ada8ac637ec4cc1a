import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineStep } from "../support/engine";
import { DATABARN, EXAMPLE_GUESTS, type ExampleStack, PRODUCTION_GUESTS, startExample, WORLDSTREAM } from "./support/example-stack";
import { checksumsByDrive, findLeftovers, getGuest, listAddresses, listGuests, listPools } from "./support/federation-view";
import { countWrites, wasRequested } from "./support/requests";
import { countStarts, findDoubleRuns } from "./support/running-copies";

const NO_CHANGES = { args: ["--expect-no-changes"] };

/** What a reviewer must find about each move. */
const MIGRATION_KEYS = ["from", "to", "method", "store", "transfer", "limit", "duration", "downtime", "reason"];

/** The output of `preview --diff` as one text per resource, by resource name. */
function splitByResource(stdout: string): Record<string, string> {
  const blocks = stdout.split(/^ {4}(?=\S*pulumi-nodejs:dynamic\/)/m).slice(1);
  return Object.fromEntries(blocks.map((block) => [/::([\w-]+)\]/.exec(block)?.[1] ?? "", block]));
}

function targetOf({ migration }: Record<string, unknown>): string {
  return (migration as { to: string }).to;
}

function placementOf({ placement }: Record<string, unknown>): string {
  const { cluster, node } = placement as { cluster: string; node: string };
  return `${cluster}/${node}`;
}

describe("the example program on the real engine", () => {
  let example: ExampleStack;
  let dataBefore: Record<string, string>;
  let eventBefore: number;

  beforeAll(async () => {
    example = await startExample();
  });
  afterAll(async () => {
    await example?.stop();
  });

  const world = () => example.federation.simulator.world;

  async function expectNothingToDo(): Promise<void> {
    const { stack } = example;
    await stack.preview(NO_CHANGES);
    await stack.refresh(NO_CHANGES);
    await stack.up(NO_CHANGES);
  }

  /** Where a guest is, in the words of a plan. */
  function placeOf(name: string): [name: string, place: string] {
    const { cluster, node } = getGuest(world(), name);
    return [name, `${cluster}/${node}`];
  }

  /** A preview that saves its plan, and an up that is bound to it: any other decision of the provider would be an error. */
  async function upAsPlanned(): Promise<EngineStep[]> {
    const { stack } = example;
    const plan = join(stack.stateDir, "plan.json");
    const { steps } = await stack.preview({ args: ["--save-plan", plan] });
    await stack.up({ args: ["--plan", plan] });
    return steps;
  }

  it("lays out pools, VMs and the data disk", async () => {
    const { steps, changes } = await example.stack.up();
    expect(changes).toMatchObject({ create: EXAMPLE_GUESTS.length + 3 });
    expect(steps.map(({ operation }) => operation)).not.toContain("update");
    expect(listAddresses(world())).toEqual(EXAMPLE_GUESTS.map((name) => `${name}@${name === "dev-1" ? "hetzner-edge" : WORLDSTREAM}`));
    expect(getGuest(world(), "web-1").node).not.toBe(getGuest(world(), "web-2").node);
    expect(getGuest(world(), "db-1").config.scsi16).toContain(getGuest(world(), "db-data").config.scsi0?.split(",")[0]);
    expect(findLeftovers(world())).toEqual([]);
  });

  it("has nothing to do in a second preview, refresh and up, and writes nothing", async () => {
    const { federation } = example;
    await federation.admin("DELETE", "/requests");
    await expectNothingToDo();
    expect(await wasRequested(federation, "GET /cluster/resources")).toBe(true);
    expect(await countWrites(federation)).toBe(0);
  });

  it("says in the preview of a drained cluster what moves, where to, how, how long and why, and changes nothing", async () => {
    const { stack, federation, setStatus } = example;
    for (const [name, disk] of [
      ["db-1", "scsi0"],
      ["db-1", "scsi16"],
      ["web-2", "scsi0"],
    ] as const) {
      const { cluster, vmid } = getGuest(world(), name);
      await federation.admin("POST", `/guests/${cluster}/${vmid}/write`, { disk, blocks: 120, seed: `${name} ${disk}` });
    }
    dataBefore = checksumsByDrive(world());
    eventBefore = world().events.at(-1)?.sequence ?? 0;
    const guestsBefore = listGuests(world());
    const exportBefore = await stack.export();
    await setStatus({ [WORLDSTREAM]: "draining" });
    await federation.admin("DELETE", "/requests");

    const { stdout, steps } = await stack.preview();

    const replaced = steps.filter(({ operation }) => operation === "replace");
    expect(replaced.map(({ name }) => name).sort()).toEqual(PRODUCTION_GUESTS);
    const blocks = splitByResource(stdout);
    for (const { name, inputs, replaceKeys } of replaced) {
      expect(replaceKeys).toEqual(["placement"]);
      const migration = inputs?.migration as Record<string, string>;
      expect(Object.keys(migration).sort()).toEqual([...MIGRATION_KEYS].sort());
      expect(migration.from).toMatch(/^worldstream-prod\/ams-\d \((?:owner )?vm \d+\)$/);
      expect(migration.to).toMatch(/^databarn-dr\/rtm-\d$/);
      expect(migration.method).toMatch(/^backup-restore/);
      expect(migration.store).toContain("pbs");
      expect(migration.transfer).toMatch(/\d ?[KMGT]iB/);
      expect(migration.downtime).toMatch(/\d+(?:s|m|h)/);
      expect(migration.reason).toMatch(name === "db-data" ? /follows the VM/ : /worldstream-prod is draining/);
      // On the screen, with the value that the provider gave.
      for (const key of MIGRATION_KEYS) expect(blocks[name]).toMatch(new RegExp(`\\+ ${key} *: "${escapePattern(migration[key]!)}"`));
    }
    expect(await countWrites(federation)).toBe(0);
    expect(listGuests(world())).toEqual(guestsBefore);
    expect(checksumsByDrive(world())).toEqual(dataBefore);
    expect(world().events.filter(({ sequence, kind }) => sequence > eventBefore && kind !== "guest-wrote")).toEqual([]);
    expect((await stack.export()).deployment.resources).toEqual(exportBefore.deployment.resources);
  });

  it("moves them with the next up", async () => {
    const { changes } = await example.stack.up();
    expect(changes).toMatchObject({ replace: PRODUCTION_GUESTS.length });
  });

  it("has brought every block over, each VM exactly once, and leaves nothing on the drained cluster", () => {
    expect(listAddresses(world())).toEqual(EXAMPLE_GUESTS.map((name) => `${name}@${name === "dev-1" ? "hetzner-edge" : DATABARN}`));
    expect(checksumsByDrive(world())).toEqual(dataBefore);
    expect(findLeftovers(world())).toEqual([]);
    const events = world().events.filter(({ sequence }) => sequence > eventBefore);
    expect(findDoubleRuns(world().events)).toEqual([]);
    expect(countStarts(events)).toEqual({ "db-1": 1, "web-1": 1, "web-2": 1 });
    expect(getGuest(world(), "web-1").node).not.toBe(getGuest(world(), "web-2").node);
  });

  it("has nothing to do after the move", expectNothingToDo);

  it("moves back as the saved plan says, to the very nodes that the preview named", async () => {
    const { setStatus } = example;
    await setStatus({ [WORLDSTREAM]: "active", [DATABARN]: "draining" });
    const steps = await upAsPlanned();
    const planned = steps.filter(({ operation }) => operation === "replace").map(({ name, inputs }) => [name, inputs && targetOf(inputs)]);
    expect(PRODUCTION_GUESTS.map(placeOf)).toEqual(planned.sort());
    expect(checksumsByDrive(world())).toEqual(dataBefore);
    expect(findDoubleRuns(world().events)).toEqual([]);
  });

  it("leaves no guest, disk, archive or pool after a destroy", async () => {
    const { stack } = example;
    await stack.destroy();
    expect(listGuests(world())).toEqual([]);
    expect(findLeftovers(world())).toEqual([]);
    expect(listPools(world())).toEqual([]);
    expect(await stack.resources()).toEqual([]);
  });

  it("is laid out anew as the saved plan says", async () => {
    const steps = await upAsPlanned();
    const planned = steps
      .filter(({ operation, inputs }) => operation === "create" && inputs?.placement)
      .map(({ name, inputs }) => [name, inputs && placementOf(inputs)]);
    // The disk goes where its guest goes, which only the update tells.
    const decided = EXAMPLE_GUESTS.filter((name) => name !== "db-data");
    expect(decided.map(placeOf)).toEqual(planned.filter(([name]) => name !== "db-data").sort());
    expect(findLeftovers(world())).toEqual([]);
  });
});

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
