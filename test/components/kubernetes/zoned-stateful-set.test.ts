import { describe, expect, it } from "vitest";
import { ZonedStatefulSet, type ZonedStatefulSetArgs } from "../../../src/components/kubernetes";
import { runProgram } from "./registered";

const TEMPLATE = { spec: { containers: [{ name: "main", image: "postgres:18", volumeMounts: [{ name: "data", mountPath: "/data" }] }] } };
const ZONES = [
  { region: "eu-ams", zone: "ams-1" },
  { region: "eu-fra", zone: "fra-1" },
];
const inZone = (region: string, zone: string) => [
  { key: "topology.kubernetes.io/region", operator: "In", values: [region] },
  { key: "topology.kubernetes.io/zone", operator: "In", values: [zone] },
];

describe("ZonedStatefulSet", () => {
  const declare = (args: Partial<ZonedStatefulSetArgs> = {}) =>
    runProgram({}, () => {
      const all = { replicas: 3, zones: ZONES, volumes: { data: { size: "8GiB", storageClass: "fast" } }, template: TEMPLATE, ...args };
      return new ZonedStatefulSet("db", all);
    });

  it("puts the replicas' volumes into the zones in turn, each bound to the claim that Kubernetes will look for", async () => {
    const { ofType } = await declare();
    const volumes = ofType(":ZonedPersistentVolume").map(({ name, inputs }) => ({ name, ...inputs }));
    const expected = ["ams-1", "fra-1", "ams-1"].map((zone, replica) => ({
      name: `data-db-${replica}`,
      zone,
      region: zone === "ams-1" ? "eu-ams" : "eu-fra",
      size: "8GiB",
      storageClass: "fast",
      claim: { namespace: "default", name: `data-db-${replica}`, labels: { app: "db" } },
      quiesce: { kind: "StatefulSet", namespace: "default", name: "db" },
    }));
    expect(volumes).toHaveLength(expected.length);
    for (const volume of expected) expect(volumes).toContainEqual(expect.objectContaining(volume));
  });

  it("keeps the pods to those zones and prefers them even", async () => {
    const { ofType } = await declare();
    const spec = ofType(":StatefulSet")[0]!.inputs.spec as Record<string, { spec: Record<string, unknown> }>;
    expect(spec.template!.spec).toMatchObject({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: inZone("eu-ams", "ams-1") }, { matchExpressions: inZone("eu-fra", "fra-1") }],
          },
        },
      },
      topologySpreadConstraints: [{ topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "ScheduleAnyway" }],
    });
  });

  it("narrows an affinity that the template has, and leaves its spread alone", async () => {
    const own = { key: "disk", operator: "Exists" };
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [own] }] } },
    };
    const { ofType } = await declare({ template: { spec: { ...TEMPLATE.spec, affinity, topologySpreadConstraints: [] } } });
    const spec = ofType(":StatefulSet")[0]!.inputs.spec as { template: { spec: Record<string, unknown> } };
    expect(spec.template.spec).toMatchObject({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              { matchExpressions: [own, ...inZone("eu-ams", "ams-1")] },
              { matchExpressions: [own, ...inZone("eu-fra", "fra-1")] },
            ],
          },
        },
      },
      topologySpreadConstraints: [],
    });
  });

  it("is the same StatefulSet whatever the volumes' size, so that growing them replaces nothing", async () => {
    const specOf = async (size: string) => (await declare({ volumes: { data: { size } } })).ofType(":StatefulSet")[0]!.inputs;
    expect(await specOf("16GiB")).toEqual(await specOf("8GiB"));
  });

  it.each([
    ["no zones", { zones: [] }, /zones is empty/],
    ["no volumes", { volumes: {} }, /volumes is empty/],
    ["half a replica", { replicas: 1.5 }, /replicas is 1\.5/],
  ])("refuses %s", async (_case, args, message) => {
    await expect(declare(args)).rejects.toThrow(message);
  });
});
