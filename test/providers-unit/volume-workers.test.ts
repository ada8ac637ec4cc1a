/** New volumes go where a Kubernetes worker runs; those that have a place stay there. */
import { beforeEach, describe, expect, it } from "vitest";
import { KubernetesError, type KubernetesNode } from "../../src/kubernetes";
import type { Inputs } from "../../src/providers/inputs";
import { checkVolume } from "../../src/providers/volume/plan";
import { CLAIM } from "../support/fake-kubernetes";
import { VolumeScenario } from "../support/volume-scenario";

let scenario: VolumeScenario;
beforeEach(() => {
  scenario = new VolumeScenario();
});

function worker(region: string, zone: string, changes: Omit<KubernetesNode, "metadata"> = {}): KubernetesNode {
  const labels = { "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone };
  return { metadata: { name: `worker-${zone}`, labels }, ...changes };
}

const placeOf = ({ placement }: Inputs) => {
  const { region, zone } = placement as { region: string; zone?: string };
  return `${region}/${zone ?? ""}`;
};
const planned = async (args: Inputs = {}) => placeOf((await scenario.preview(args)).inputs);

describe("a volume without a zone", () => {
  it("goes to the zone that has a worker, whichever that is", async () => {
    for (const zone of ["a1", "a2", "b1", "b2"]) {
      scenario.kubernetes.nodes = [worker(zone[0]!, zone)];
      expect(await planned()).toBe(`${zone[0]}/${zone}`);
    }
  });

  it("does not count workers that take no pods, are down, or are in no region of the federation", async () => {
    const taint = { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" };
    scenario.kubernetes.nodes = [
      worker("a", "a1", { spec: { unschedulable: true } }),
      worker("a", "a2", { spec: { taints: [taint] } }),
      worker("b", "b1", { status: { conditions: [{ type: "Ready", status: "Unknown" }] } }),
      worker("elsewhere", "b1"),
      { metadata: { name: "unlabelled" } },
      worker("b", "b2", { spec: { taints: [{ ...taint, effect: "PreferNoSchedule" }] } }),
    ];
    expect(await planned()).toBe("b/b2");
  });

  it("is refused where no zone has a worker, with the reason; and can be placed by its program", async () => {
    scenario.kubernetes.nodes = [];
    await expect(scenario.preview({})).rejects.toThrow(/without a Kubernetes worker/);
    expect(await planned({ region: "b", zone: "b1" })).toBe("b/b1");
    expect(await planned({ besideWorkers: false })).toMatch(/^[ab]\//);
  });

  it("keeps its place when the worker there is gone, with a warning", async () => {
    scenario.kubernetes.nodes = [worker("a", "a2")];
    expect(await scenario.up({})).toBe("create");
    scenario.kubernetes.nodes = [worker("b", "b1")];
    const { step, inputs } = await scenario.preview({});
    expect([step, placeOf(inputs)]).toEqual(["same", "a/a2"]);
    expect(scenario.world.reports).toContainEqual(
      "warning: volume data stays in a/a2, but there is no Kubernetes worker: no pod can use it there",
    );
  });

  it("on shared storage needs a worker in its region only", async () => {
    scenario.kubernetes.nodes = [worker("b", "b2")];
    expect(await planned({ storageClass: "common" })).toBe("b/");
  });

  it.each(["UNREACHABLE", "FORBIDDEN", "KUBECONFIG"] as const)(
    "is placed without that rule, and says so, when Kubernetes answers %s",
    async (code) => {
      scenario.kubernetes.listNodes = () => Promise.reject(new KubernetesError(code, "no list of nodes"));
      expect(await planned()).toMatch(/^[ab]\//);
      expect(scenario.world.reports).toContainEqual(
        "warning: volumes without a zone are placed without regard to the Kubernetes workers: no list of nodes",
      );
    },
  );
});

describe("several volumes of one program", () => {
  const names = ["orders", "stock", "users"];
  const peers = names.map((name) => ({ kind: "disk", name: `pv/${name}`, workers: {}, args: { name, size: "3GiB", storageClass: "" } }));
  const news = (index: number): Inputs => ({
    size: "3GiB",
    claim: { ...CLAIM, name: names[index] },
    __identity: { stack: "shop/prod", name: names[index] },
    __before: JSON.stringify(peers.slice(0, index)),
    __ordered: true,
  });

  it("go to the same places whichever of them is checked first", async () => {
    scenario.kubernetes.nodes = [worker("a", "a2"), worker("b", "b2")];
    const plans: string[] = [];
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const session = scenario.newSession();
      const places: string[] = [];
      for (const index of order) {
        const { inputs, failures } = await checkVolume(session, {}, news(index));
        expect(failures).toEqual([]);
        places[index] = placeOf(inputs);
      }
      plans.push(places.join(" "));
    }
    expect(new Set(plans).size).toBe(1);
    expect(plans[0]).not.toMatch(/a1|b1/);
  });
});
