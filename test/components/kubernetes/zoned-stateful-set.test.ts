import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { ZonedStatefulSet, type ZonedStatefulSetArgs } from "../../../src/components/kubernetes";
import { runProgram } from "./registered";

const TEMPLATE = { spec: { containers: [{ name: "main", image: "postgres:18", volumeMounts: [{ name: "data", mountPath: "/data" }] }] } };
const ZONES = [
  { region: "eu-ams", zone: "ams-1" },
  { region: "eu-fra", zone: "fra-1" },
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

  it("leaves the zones to placement, which is told of all volumes at once by each", async () => {
    const volumes = { data: { size: "8GiB" as const, storageClass: "fast" }, wal: { size: "1GiB" as const } };
    const { ofType } = await declare({ zones: undefined, volumes, replicas: 2, kubernetes: { kubeconfig: "cluster.yaml" } });
    const registered = ofType(":ZonedPersistentVolume");
    expect(registered.map(({ inputs }) => [inputs.region, inputs.zone])).toEqual(Array(4).fill([undefined, undefined]));
    const [together, ...others] = new Set(registered.map(({ inputs }) => inputs.__together));
    expect(others).toEqual([]);
    expect(JSON.parse(together as string)).toEqual({
      kind: "volume-set",
      name: "db",
      workers: { kubeconfig: "cluster.yaml" },
      volumes: [{ size: "8GiB", storageClass: "fast" }, { size: "1GiB" }],
      replicas: [
        ["pv/data-db-0", "pv/wal-db-0"],
        ["pv/data-db-1", "pv/wal-db-1"],
      ],
    });
  });

  it("prefers the pods even over zones, unless the template says otherwise, and leaves the template's affinity alone", async () => {
    const templateOf = async (template = TEMPLATE) => {
      const { ofType } = await declare({ template });
      return (ofType(":StatefulSet")[0]!.inputs.spec as { template: unknown }).template;
    };
    expect(await templateOf()).toMatchObject({
      metadata: { labels: { app: "db" } },
      spec: { topologySpreadConstraints: [{ topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "ScheduleAnyway" }] },
    });
    const own = { ...TEMPLATE.spec, affinity: { podAntiAffinity: {} }, topologySpreadConstraints: [] };
    expect(await templateOf({ spec: own })).toEqual({ metadata: { labels: { app: "db" } }, spec: own });
  });

  it("is the same StatefulSet whatever size and zones its volumes have: a change of them restarts and replaces nothing", async () => {
    const setOf = async (size: string, zones = ZONES) =>
      (await declare({ zones, volumes: { data: { size } } })).ofType(":StatefulSet")[0]!.inputs;
    expect(await setOf("16GiB", ZONES.toReversed())).toEqual(await setOf("8GiB"));
  });

  it.each([
    ["no zones", { zones: [] }, /zones is empty/],
    ["no volumes", { volumes: {} }, /volumes is empty/],
    [
      "a kubeconfig's text without zones",
      { zones: undefined, kubernetes: { kubeconfigContent: "x" } },
      /kubernetes is an output.*or give zones/,
    ],
    [
      "an output without zones",
      { zones: undefined, volumes: { data: { size: pulumi.output("8GiB") } } },
      /volumes\[0\]\.size is an output/,
    ],
    [
      "volumes of one pod that may not be in one place",
      { zones: undefined, volumes: { data: { size: "8GiB" }, wal: { size: "1GiB", location: "Paris" } } },
      /volume wal has another location or residency/,
    ],
    ["half a replica", { replicas: 1.5 }, /replicas is 1\.5/],
  ])("refuses %s", async (_case, args, message) => {
    await expect(declare(args)).rejects.toThrow(message);
  });
});
