import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killTree } from "../support/process-tree";
import { DATABARN, EXAMPLE_GUESTS, type ExampleStack, PRODUCTION_GUESTS, startExample, WORLDSTREAM } from "./support/example-stack";
import { checksumsByDrive, findLeftovers, type GuestView, getGuest, listAddresses, listGuests, listPools } from "./support/federation-view";
import { atMoment } from "./support/moment";
import { wasRequested } from "./support/requests";
import { countStarts, findDoubleRuns } from "./support/running-copies";
import { listActors } from "./support/survivors";

const TIME_SCALE = 200;
/** Slow enough for a backup or a restore to outlast the seconds that the next command takes to look at it. */
const SLOW_TIME_SCALE = 0.01;

interface Side {
  guests: GuestView[];
  /** Whether a worker of that type runs; of a guest, when one is given. */
  runs(type: string, vmid?: number): boolean;
}

interface Moment {
  name: string;
  isNow(source: Side, target: Side): boolean;
  /** Set where a task must still run when the next `up` looks at it. */
  taskOutlastsCrash?: { type: string; on: "source" | "target" };
}

const step = (guest: GuestView) => guest.mark?.move?.step;

const MOMENTS: Moment[] = [
  {
    name: "after the claim appeared at the target",
    isNow: (_, target) => target.guests.some(({ mark }) => mark?.phase === "claimed"),
  },
  {
    name: "after the source was shut down, before it is fenced",
    isNow: (source) => source.guests.some((guest) => step(guest) === "stopping" && !guest.running && guest.config.template !== "1"),
  },
  {
    name: "while the backup runs",
    isNow: (source) => source.guests.some(({ vmid, config }) => source.runs("vzdump", vmid) && config.lock === "backup"),
    taskOutlastsCrash: { type: "vzdump", on: "source" },
  },
  {
    name: "after the archive exists, before the restore",
    isNow: (source) => source.guests.some((guest) => step(guest) === "backed-up"),
  },
  {
    name: "while the restore runs and the target has lost its mark",
    isNow: (source, target) =>
      source.guests.some((guest) => {
        const vmid = step(guest) === "restoring" ? guest.mark?.move?.target.vmid : undefined;
        return vmid !== undefined && target.runs("qmrestore", vmid) && target.guests.some((other) => other.vmid === vmid && !other.mark);
      }),
    taskOutlastsCrash: { type: "qmrestore", on: "target" },
  },
  {
    name: "while the owner VM of the data disk is restored",
    isNow: (source, target) =>
      source.guests.some(
        (guest) => guest.mark?.kind === "disk" && step(guest) === "restoring" && target.runs("qmrestore", guest.mark?.move?.target.vmid),
      ),
  },
  {
    name: "after the target was started",
    isNow: (_, target) => target.guests.some(({ mark, running }) => mark?.phase === "restored" && running),
  },
  {
    name: "after the source was retired",
    isNow: (source) => source.guests.some(({ mark }) => mark?.phase === "retired"),
  },
  {
    name: "while the source is deleted",
    isNow: (source) => source.runs("qmdestroy"),
  },
];

describe("a moving `pulumi up` whose process group is killed", () => {
  let example: ExampleStack;
  let from = WORLDSTREAM;
  let to = DATABARN;

  beforeAll(async () => {
    example = await startExample({ timeScale: TIME_SCALE });
    await example.stack.up();
  });
  afterAll(async () => {
    await example?.stop();
  });

  const sideOf = (cluster: string): Side => {
    const { world } = example.federation.simulator;
    return {
      guests: listGuests(world).filter((guest) => guest.cluster === cluster),
      runs: (type, vmid) =>
        world.tasks.listRunning(cluster).some((upid) => upid.includes(vmid === undefined ? `:${type}:` : `:${type}:${vmid}:`)),
    };
  };

  /** New contents on every disk of the database and on one web server. */
  async function writeData(seed: string): Promise<void> {
    const { federation } = example;
    for (const [name, disk] of [
      ["db-1", "scsi0"],
      ["db-1", "scsi16"],
      ["web-1", "scsi0"],
    ] as const) {
      const { cluster, vmid } = getGuest(federation.simulator.world, name);
      await federation.admin("POST", `/guests/${cluster}/${vmid}/write`, { disk, blocks: 60, seed });
    }
  }

  /** Kills the command's process group at that moment and waits until its provider process has ended by itself. */
  async function crashAt(moment: Moment): Promise<void> {
    const { stack, federation } = example;
    const { world } = federation.simulator;
    const command = stack.start("up");
    const { survivors } = await atMoment(
      world,
      () => moment.isNow(sideOf(from), sideOf(to)),
      command,
      () => {
        if (moment.taskOutlastsCrash) world.clock.timeScale = SLOW_TIME_SCALE;
        return command.killGroup();
      },
    );
    try {
      expect(survivors).not.toEqual([]);
      await expect.poll(() => listActors(survivors), { timeout: 30_000 }).toEqual([]);
    } finally {
      for (const pid of survivors) killTree(pid);
    }
  }

  async function upAgain(moment: Moment): Promise<void> {
    const { stack, federation } = example;
    const { world } = federation.simulator;
    await stack.cancel();
    await federation.admin("DELETE", "/requests");
    const again = stack.start("up");
    if (moment.taskOutlastsCrash) {
      const { type, on } = moment.taskOutlastsCrash;
      await expect.poll(() => wasRequested(federation, "GET /nodes/{node}/tasks"), { timeout: 120_000, interval: 20 }).toBe(true);
      expect(sideOf(on === "source" ? from : to).runs(type)).toBe(true);
      world.clock.timeScale = TIME_SCALE;
    }
    await again.succeed();
  }

  it.each(MOMENTS.map((moment) => [moment.name, moment] as const))("converges with the next one: %s", async (name, moment) => {
    const { stack, federation, setStatus } = example;
    const { world } = federation.simulator;
    await writeData(name);
    const before = checksumsByDrive(world);
    expect(Object.keys(before)).toEqual(["db-1/scsi0", "db-1/scsi16", "db-data/scsi0", "dev-1/scsi0", "web-1/scsi0", "web-2/scsi0"]);
    expect(listAddresses(world)).toEqual(EXAMPLE_GUESTS.map((guest) => `${guest}@${guest === "dev-1" ? "hetzner-edge" : from}`));
    const firstEvent = world.events.at(-1)?.sequence ?? 0;
    await setStatus({ [from]: "draining", [to]: "active" });

    await crashAt(moment);
    await upAgain(moment);

    expect(listAddresses(world)).toEqual(EXAMPLE_GUESTS.map((guest) => `${guest}@${guest === "dev-1" ? "hetzner-edge" : to}`));
    expect(checksumsByDrive(world)).toEqual(before);
    expect(findLeftovers(world)).toEqual([]);
    const events = world.events.filter(({ sequence }) => sequence > firstEvent);
    expect(findDoubleRuns(world.events)).toEqual([]);
    expect(Object.keys(countStarts(events)).sort()).toEqual(PRODUCTION_GUESTS.filter((guest) => guest !== "db-data"));
    await stack.preview({ args: ["--expect-no-changes"] });
    [from, to] = [to, from];
  });

  it("leaves only the engine's own notes of creates under way, which a refresh clears without finding drift", async () => {
    const { stack } = example;
    const pending = (await stack.export()).deployment.pending_operations ?? [];
    expect(pending.map(({ type }) => type)).toContain("creating");
    await stack.refresh({ args: ["--clear-pending-creates", "--expect-no-changes"] });
    expect((await stack.export()).deployment.pending_operations ?? []).toEqual([]);
    await stack.preview({ args: ["--expect-no-changes"] });
  });

  it("may be followed by a destroy as well, which leaves nothing although state holds both ends of each move", async () => {
    const { stack, federation, setStatus } = example;
    const { world } = federation.simulator;
    await setStatus({ [from]: "draining", [to]: "active" });
    await crashAt(MOMENTS.find(({ name }) => name === "while the source is deleted")!);
    const ends = (await stack.resources()).filter(({ type }) => type.endsWith(":FederatedVM"));
    expect(ends.filter((resource) => resource.delete)).not.toEqual([]);
    await stack.cancel();
    // Both ends of a move delete its retired source: whoever asks second hears only after the first one is done.
    for (const { vmid } of listGuests(world).filter(({ cluster, mark }) => cluster === from && mark?.phase === "retired"))
      await federation.admin("POST", "/faults", {
        cluster: from,
        method: "GET",
        path: `/nodes/*/qemu/${vmid}/status/current`,
        at: 2,
        action: { kind: "delay", ms: 500 * TIME_SCALE },
      });
    await stack.destroy();
    expect(listGuests(world)).toEqual([]);
    expect(findLeftovers(world)).toEqual([]);
    expect(listPools(world)).toEqual([]);
    expect(await stack.resources()).toEqual([]);
  });
});
