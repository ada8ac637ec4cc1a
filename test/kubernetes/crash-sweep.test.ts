/**
 * The life of a Kubernetes volume interrupted at every call to Proxmox and Kubernetes: Pulumi's provider process, simulated
 * clusters, a real API server. After each fault one more run converges. A sample of the points by default;
 * `VOLUME_SWEEP=30` tries so many of each operation, `VOLUME_SWEEP=all` every one, `-t "move to another zone"` one operation.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RandomSource } from "../../src/simulator/random";
import { EngineReplay } from "../support/engine-replay";
import { type PropertyMap, secret } from "../support/property-values";
import { OperationFailedError } from "../support/replay-model";
import { pool } from "../support/stack";
import { ApiProxy } from "./support/api-proxy";
import { CallPoints, POINT_FAULTS, type PointFault } from "./support/call-points";
import { KubernetesSite, statefulSet } from "./support/kubernetes-site";
import { findLitter, listClaims } from "./support/site-view";

const REPOSITORY = `${__dirname}/../..`;
/** How many points of each operation are tried. */
const MOST = process.env.VOLUME_SWEEP === "all" ? Number.POSITIVE_INFINITY : Number(process.env.VOLUME_SWEEP ?? 2);
/** Which ones, where that is not all. */
const SEED = Number(process.env.VOLUME_SWEEP_SEED ?? 1);
const limit = (process.env.VOLUME_SWEEP === undefined ? 10 : 240) * 60_000;
const patience = { timeout: 60_000, interval: 200 };
const claim = { namespace: "default", name: "data" };
const quiesce = { kind: "StatefulSet", namespace: "default", name: "db" };

/** An operation on the volume that can be done again and again, each time from where the last one ended. */
interface Leg {
  /** Puts the volume where the operation begins, undisturbed; default: it is there. */
  prepare?(): Promise<unknown>;
  /** What the volume is to be for the nth time; undefined: not there. */
  declare(nth: number): PropertyMap | undefined;
  /** All is as declared, and nothing else is left. */
  check(): Promise<void>;
}

/** The nth call that the fault applies to. */
interface Point {
  fault: PointFault;
  at: number;
}

const PLACES = [
  { region: "eu-ams", zone: "ams-1", workers: ["worker-1", "worker-2"] },
  { region: "eu-ams", zone: "ams-2", workers: ["worker-3"] },
  { region: "eu-fra", zone: "fra-1", workers: ["worker-4"] },
];

describe("a volume's life, interrupted at its calls to Proxmox and Kubernetes", () => {
  let site: KubernetesSite;
  let proxy: ApiProxy;
  let stack: EngineReplay;
  let points: CallPoints;
  /** As the volume is to be now. */
  let place = PLACES[0]!;
  let sizeGiB = 1;
  /** Contents of the disk since a pod has written to it. */
  let sha256: string | undefined;
  const random = new RandomSource(SEED);
  let sampled = 0;

  beforeAll(async () => {
    site = await KubernetesSite.start();
    proxy = await ApiProxy.start(site.controlPlane.kubeconfigOf({}));
    stack = new EngineReplay({ cwd: REPOSITORY, env: site.federation.env });
    points = new CallPoints(site, proxy, () => stack.kill());
    const provisioner = "csi.proxmox.sinextra.dev";
    await site.storage.createStorageClass({ body: { metadata: { name: "local" }, provisioner, allowVolumeExpansion: true } });
  });
  afterAll(async () => {
    await proxy?.stop();
    await site?.stop();
  });

  const declared = (): PropertyMap => ({ region: place.region, zone: place.zone, size: `${sizeGiB}GiB` });
  const program = (inputs: PropertyMap | undefined) => {
    const kubernetes = { kubeconfigContent: secret(proxy.kubeconfigOf({ token: site.token })) };
    const fixed = { claim, storageClassName: "local", allowMove: true, kubernetes, ...(sha256 === undefined ? {} : { quiesce }) };
    return [pool("kubernetes"), ...(inputs ? [site.volume("data", { ...fixed, ...inputs })] : [])];
  };
  const podNodes = async () => {
    const { items } = await site.core.listNamespacedPod({ namespace: "default" });
    return items.filter(({ status }) => status?.phase === "Running").map(({ spec }) => spec!.nodeName!);
  };

  async function expectServing(): Promise<void> {
    if (sha256 !== undefined) await expect.poll(async () => place.workers.includes((await podNodes())[0] ?? ""), patience).toBe(true);
    expect(await listClaims(site)).toEqual({
      data: {
        place: `${place.region}/${place.zone}`,
        persistentVolume: expect.stringMatching(/^data-[0-9a-f]{8}$/),
        phases: "Bound Bound",
        capacity: `${sizeGiB}Gi`,
        sizeBytes: sizeGiB * 1024 ** 3,
        sha256: sha256 ?? expect.any(String),
        blockCount: expect.any(Number),
      },
    });
    expect(await findLitter(site)).toEqual([]);
    // A blank disk in place of the data would have been formatted.
    expect(site.standIn.formatted).toHaveLength(sha256 === undefined ? 0 : 1);
  }

  async function expectNothing(): Promise<void> {
    expect(await listClaims(site)).toEqual({});
    expect(await findLitter(site)).toEqual([]);
    expect(await site.disks()).toEqual([]);
  }

  /** The operation is done undisturbed once, to count its calls. @returns its points, or a sample in which every fault has its turn */
  async function choosePoints(leg: Leg): Promise<{ total: number; chosen: Point[] }> {
    await leg.prepare?.();
    points.arm();
    await stack.up(program(leg.declare(0)));
    const ofFaults = POINT_FAULTS.map((fault) =>
      shuffle(Array.from({ length: points.count(fault) }, (_, index) => ({ fault, at: index + 1 }))),
    );
    await leg.check();
    const total = ofFaults.flat().length;
    const chosen: Point[] = [];
    for (let turn = sampled; chosen.length < Math.min(MOST, total); turn++) {
      const next = ofFaults[turn % ofFaults.length]!.pop();
      if (next) chosen.push(next);
    }
    sampled += chosen.length;
    return { total, chosen };
  }

  function shuffle<T>(items: T[]): T[] {
    const keyed = items.map((item) => ({ item, key: random.next() }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  }

  /** @returns how the disturbed run ended */
  async function disturb(inputs: PropertyMap | undefined, { fault, at }: Point): Promise<string> {
    points.arm(fault, at);
    try {
      await stack.up(program(inputs));
      return "went through";
    } catch (error) {
      if (error instanceof OperationFailedError) return error.message;
      throw error;
    }
  }

  async function sweep(name: string, leg: Leg): Promise<void> {
    const startMs = Date.now();
    const { total, chosen } = await choosePoints(leg);
    let tried = 0;
    let ended = 0;
    for (const [index, point] of chosen.entries()) {
      await leg.prepare?.();
      const inputs = leg.declare(index + 1);
      const outcome = await disturb(inputs, point);
      const { hit } = points;
      points.arm();
      // Fewer calls than at the time they were counted: the operation is done.
      if (hit !== undefined) tried++;
      if (outcome !== "went through") ended++;
      try {
        await stack.up(program(inputs));
        await leg.check();
      } catch (error) {
        throw new Error(`${point.fault} at call ${point.at}, ${hit} (first run: ${outcome}): ${String(error)}`, { cause: error });
      }
    }
    const seconds = Math.round((Date.now() - startMs) / 1000);
    console.log(`${name}: ${tried} of ${total} points tried (seed ${SEED}), ${ended} of them ended the run; ${seconds} s`);
    expect(tried).toBeGreaterThan(chosen.length / 2);
    const steps = await stack.preview(program(leg.declare(chosen.length)));
    expect(steps.map(({ operation }) => operation)).toEqual(steps.map(() => "same"));
  }

  it("create", () => sweep("create", { prepare: () => stack.up(program(undefined)), declare: declared, check: expectServing }), limit);
  it(
    "delete",
    () => sweep("delete", { prepare: () => stack.up(program(declared())), declare: () => undefined, check: expectNothing }),
    limit,
  );

  /** Larger each time. */
  const grows = (): Leg => {
    const formerGiB = sizeGiB;
    return {
      declare: (nth) => {
        sizeGiB = formerGiB + 1 + nth;
        return declared();
      },
      check: expectServing,
    };
  };
  it(
    "grow while nobody has it",
    async () => {
      await stack.up(program(declared()));
      await sweep("grow while nobody has it", grows());
    },
    limit,
  );

  /** A pod that writes to the volume, and from now on all operations are on a volume in use. */
  async function startPod(): Promise<void> {
    if (sha256 !== undefined) return;
    await stack.up(program(declared()));
    await site.apps.createNamespacedStatefulSet({ namespace: "default", body: statefulSet("db", "data") });
    await expect.poll(podNodes, patience).toHaveLength(1);
    sha256 = (await listClaims(site)).data!.sha256;
    await expectServing();
  }

  /** To these places in turn. */
  const moves = (places: typeof PLACES): Leg => ({
    declare: (nth) => {
      place = places[nth % places.length]!;
      return declared();
    },
    check: expectServing,
  });
  it.each([
    ["move to another zone", () => moves([PLACES[1]!, PLACES[0]!])],
    ["move to another region", () => moves([PLACES[2]!, PLACES[0]!])],
    ["grow while a pod has it", grows],
  ] as const)(
    "%s",
    async (name, leg) => {
      await startPod();
      await sweep(name, leg());
    },
    limit,
  );
});
