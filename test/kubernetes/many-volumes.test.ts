/**
 * Many volumes moved in one `pulumi up` of the real engine, which is killed at random calls again and again: whatever was
 * interrupted where, the next run goes on, and every block of every volume arrives.
 *
 * `MANY_VOLUMES=100` sets how many, `MANY_VOLUMES_SEED` which random numbers.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RandomSource } from "../../src/simulator/random";
import { getGuest } from "../integration/support/federation-view";
import { commandLine, listActors } from "../integration/support/survivors";
import { createStack, type PulumiStack, type RunningCommand } from "../support/engine";
import { killTree, listDescendants } from "../support/process-tree";
import { KubernetesSite, statefulSet } from "./support/kubernetes-site";
import { type ClaimView, findLitter, listClaims } from "./support/site-view";

const COUNT = Number(process.env.MANY_VOLUMES ?? 8);
const SEED = Number(process.env.MANY_VOLUMES_SEED ?? 1);
/** Volumes that a pod uses: its StatefulSet is scaled down and back by the move. */
const IN_USE = Math.min(6, Math.floor(COUNT / 2));
/** Writing calls to Proxmox that a move of one volume makes, at least: no kill comes after everything is done. */
const WRITES_PER_VOLUME = 8;
/** Restores under way at once, at most: the link between the two clusters carries so many transfers by default. */
const TRANSFERS_PER_LINK = 4;
/** `engine`: the machine loses power. `group`: as a CI runner does, the provider process lives on. `provider`: only that one dies. */
const KILLS = (["engine", "group", "provider", "engine", "group", "provider"] as const).slice(0, COUNT < 50 ? 3 : 6);
const minutes = (count: number) => count * 60_000;
const patience = { timeout: minutes(2), interval: 300 };

describe(`${COUNT} volumes that move in one run`, () => {
  let site: KubernetesSite;
  let stack: PulumiStack;
  let before: Record<string, ClaimView>;
  const random = new RandomSource(SEED);
  const names = Array.from({ length: COUNT }, (_, index) => String(index).padStart(3, "0"));
  const used = names.slice(0, IN_USE);
  const layout = (which: "before" | "after") => ({ env: { LAYOUT: which } });

  beforeAll(async () => {
    console.log(`moving ${COUNT} volumes, seed ${SEED}${process.env.MANY_VOLUMES ? "" : "; MANY_VOLUMES=100 moves a hundred"}`);
    site = await KubernetesSite.start();
    const env = {
      ...site.federation.env,
      KUBECONFIG: site.controlPlane.kubeconfig,
      VOLUMES: String(COUNT),
      WORKLOADS: String(IN_USE),
    };
    stack = await createStack(join(__dirname, "support/many-volumes"), { env });
  });
  afterAll(async () => {
    stack?.dispose();
    await site?.stop();
  });

  const runningPods = async () => {
    const { items } = await site.core.listNamespacedPod({ namespace: "default" });
    return items.filter(({ status }) => status?.phase === "Running").map(({ metadata }) => metadata!.name!);
  };
  const podsOfUsed = used.map((name) => `db-${name}-0`);
  /** Contents of its own for every volume. */
  const writeData = async () => {
    const { federation } = site;
    for (const name of names) {
      const { cluster, vmid, config } = getGuest(federation.simulator.world, `data-${name}`);
      const [disk] = Object.keys(config).filter((key) => /^scsi\d+$/.test(key));
      await federation.admin("POST", `/guests/${cluster}/${vmid}/write`, { disk, blocks: [1, 5, 9], seed: name, force: true });
    }
  };
  const placeOf = (index: number) => (index % 2 === 0 ? "eu-ams/ams-2" : "eu-fra/fra-1");

  it(
    "are created, each with its claim and data of its own",
    async () => {
      await stack.up(layout("before"));
      await writeData();
      for (const name of used)
        await site.apps.createNamespacedStatefulSet({ namespace: "default", body: statefulSet(`db-${name}`, `data-${name}`) });
      await expect.poll(async () => (await runningPods()).sort(), patience).toEqual(podsOfUsed);
      before = await listClaims(site);
      expect(Object.keys(before)).toEqual(names.map((name) => `data-${name}`));
      expect(new Set(Object.values(before).map(({ sha256 }) => sha256)).size).toBe(COUNT);
      // They were written to before any pod came: nothing was taken for blank.
      expect(site.standIn.formatted).toEqual([]);
      expect(await findLitter(site)).toEqual([]);
    },
    minutes(30),
  );

  /** Resolves just before the nth writing call to a Proxmox cluster from now on, or when the command has ended. */
  function untilWrite(nth: number, command: RunningCommand): Promise<"reached" | "ended"> {
    const { faults } = site.federation.simulator;
    return new Promise((resolve) => {
      let writes = 0;
      faults.onCall = ({ method }) => {
        if (method !== "GET" && ++writes === nth) resolve("reached");
        return undefined;
      };
      void command.ended.then(() => resolve("ended"));
    });
  }

  async function runAndKill(how: (typeof KILLS)[number], nth: number): Promise<string> {
    const startMs = Date.now();
    const command = stack.start("up", layout("after"));
    const reached = await untilWrite(nth, command);
    if (reached === "ended") throw new Error(`the run ended before writing call ${nth}: ${(await command.ended).stdout}`);
    if (how === "engine") await command.kill();
    else if (how === "provider") {
      killTree(findProvider());
      await command.ended;
    } else {
      const { survivors } = await command.killGroup();
      await expect.poll(() => listActors(survivors), { timeout: 30_000 }).toEqual([]);
      for (const pid of survivors) killTree(pid);
    }
    // An engine that has lost its provider ends in good order.
    if (how !== "provider") await stack.cancel();
    return `${how} killed at writing call ${nth}, after ${Math.round((Date.now() - startMs) / 1000)} s`;
  }

  /** @returns tells how many restores have run at once since */
  function watchRestores(): () => number {
    const { faults, world } = site.federation.simulator;
    let most = 0;
    faults.onCall = () => {
      most = Math.max(most, world.tasks.listRunning("frankfurt").filter((upid) => upid.includes(":qmrestore:")).length);
      return undefined;
    };
    return () => most;
  }

  it(
    "arrive whole, although the run is killed at random again and again",
    async () => {
      const startMs = Date.now();
      // Together the kills come before all writes are done, whatever the random numbers are.
      const most = Math.floor((COUNT * WRITES_PER_VOLUME) / KILLS.length);
      for (const how of KILLS) console.log(await runAndKill(how, 1 + (random.next() % most)));
      const busiest = watchRestores();
      const lastMs = Date.now();
      const finished = await stack.up(layout("after"));
      const seconds = (sinceMs: number) => Math.round((Date.now() - sinceMs) / 1000);
      console.log(`${KILLS.length} kills and the last run: ${seconds(startMs)} s, of which the last run ${seconds(lastMs)} s`);
      console.log(`at most ${busiest()} restores at once`);
      expect(busiest()).toBeLessThanOrEqual(TRANSFERS_PER_LINK);
      expect(finished.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);

      await expect.poll(async () => (await runningPods()).sort(), patience).toEqual(podsOfUsed);
      const after = await listClaims(site);
      expect(Object.keys(after)).toEqual(Object.keys(before));
      for (const [index, name] of Object.keys(before).entries()) {
        const { persistentVolume: former, ...view } = before[name]!;
        expect(after[name], name).toEqual({ ...view, place: placeOf(index), persistentVolume: expect.not.stringMatching(`^${former}$`) });
      }
      expect(site.standIn.formatted).toEqual([]);
      expect(site.standIn.errors).toEqual([]);
      expect(await findLitter(site)).toEqual([]);
      expect((await stack.resources()).filter((resource) => resource.delete)).toEqual([]);
      await stack.preview({ ...layout("after"), args: ["--expect-no-changes"] });
    },
    minutes(60),
  );
});

/** The process of the dynamic provider, which the command under way has started. */
function findProvider(): number {
  const found = listDescendants(process.pid).filter((pid) => commandLine(pid).includes("dynamic-provider"));
  if (found.length !== 1) throw new Error(`${found.length} provider processes run`);
  return found[0]!;
}
