import { describe, expect, it } from "vitest";
import { type Company, type Placement, type PlacementRequest, placeMany, placeOne } from "../../src/placement";
import { cluster, GIB, inventory, node, request, storage } from "./builders";

const worker = (...places: string[]): Company => ({
  noun: "Kubernetes worker",
  nodes: places.map((place) => ({ cluster: place.split("/")[0]!, node: place.split("/")[1]! })),
});
const local = (id: string, names: string[], usedGiB = 0) =>
  cluster(
    id,
    names.map((name) => node(name)),
    { storages: names.map((name) => storage("main", [name], { shared: false, usedBytes: usedGiB * GIB })) },
  );
const facts = inventory(local("a", ["a1", "a2"]), local("b", ["b1"]));
const disks = [{ name: "data", storageClass: "", sizeBytes: GIB }];
const volume = (key: string, extra: Partial<PlacementRequest> = {}) =>
  request(key, { cores: 0, memoryMiB: 0, disks, company: worker("a/a2"), ...extra });
const at = (clusterId: string, nodeName: string): Placement => ({ cluster: clusterId, node: nodeName, storages: ["main"] });

describe("a disk that wants company", () => {
  it("goes only where some is, one by one and many at once", () => {
    const keys = ["v1", "v2", "v3", "v4"];
    for (const key of keys) expect(placeOne(volume(key), facts, [])).toMatchObject({ ok: true, placement: at("a", "a2") });
    const plan = placeMany(
      keys.map((key) => volume(key)),
      facts,
    );
    expect(plan.decisions.map(({ placement }) => placement)).toEqual(keys.map(() => at("a", "a2")));
  });

  it("is one of a kind with those of the same company only", () => {
    const plan = placeMany(
      [volume("v1"), volume("v2", { company: worker("b/b1") }), volume("v3", { company: undefined, pin: { node: "a1" } })],
      facts,
    );
    expect(plan.decisions.map(({ placement }) => placement?.node)).toEqual(["a2", "b1", "a1"]);
  });

  it("is told per zone why not", () => {
    const result = placeOne(volume("v1"), facts, []);
    expect(result.explanation.candidates.map(({ node: name, rejected }) => [name, rejected?.reasons])).toEqual([
      ["a2", undefined],
      ["a1", ["no Kubernetes worker in zone a/a1"]],
      ["b1", ["no Kubernetes worker in zone b/b1"]],
    ]);
    const nowhere = placeOne(volume("v1", { company: worker() }), facts, []);
    expect(nowhere).toMatchObject({ ok: false, message: expect.stringContaining("without a Kubernetes worker") });
  });

  it("stays where it is when the company has gone", () => {
    const placed = volume("v1", { prior: at("a", "a1") });
    expect(placeOne(placed, facts, [])).toMatchObject({ placement: at("a", "a1"), explanation: { outcome: "kept" } });
    expect(placeMany([placed], facts).decisions[0]).toMatchObject({ outcome: "kept", placement: at("a", "a1") });
  });

  it("on shared storage is near to every node that sees it", () => {
    const shared = inventory(cluster("a", [node("a1"), node("a2")]), local("b", ["b1"]));
    const pinned = placeOne(volume("v1", { pin: { node: "a1" } }), shared, []);
    expect(pinned).toMatchObject({ ok: true, placement: at("a", "a1") });
  });
});

describe("a disk whose owner the inventory does not show", () => {
  const full = inventory(local("a", ["a1", "a2"], 999.5));

  it("needs no room for what it has where it is", () => {
    const placed = volume("v1", { company: undefined, prior: at("a", "a1") });
    expect(placeOne(placed, full, [])).toMatchObject({ placement: at("a", "a1"), explanation: { outcome: "kept" } });
    expect(placeMany([placed], full).decisions[0]).toMatchObject({ outcome: "kept" });
    expect(placeOne(volume("v2", { company: undefined }), full, [])).toMatchObject({ ok: false });
  });

  it("takes no room twice from those that come after it", () => {
    const half = inventory(local("a", ["a1"], 999));
    const placed = volume("v1", { company: undefined, prior: at("a", "a1") });
    const promised = [{ request: placed, placement: at("a", "a1") }];
    expect(placeOne(volume("v2", { company: undefined }), half, promised)).toMatchObject({ ok: true, placement: at("a", "a1") });
  });
});
