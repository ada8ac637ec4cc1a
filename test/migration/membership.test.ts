import { beforeEach, describe, expect, it } from "vitest";
import { type Membership, membershipFindings, type Route, readMembership, type TargetSide } from "../../src/migration";
import { joinAtTarget, releaseFromHa, returnToHa } from "../../src/migration/membership";
import { FakeCluster } from "../support/fake-cluster";
import { FakeWorld } from "../support/fake-world";

const ROUTE: Route = { source: "a", target: "b", method: "backup-restore", compression: true };
const JOB = { job: 0, targetNode: "a2", disabled: false };

let world: FakeWorld;
let a: FakeCluster;
let b: FakeCluster;
const source = () => ({ api: a, node: "a1", vmid: 100 });
const target = () => ({ api: b, node: "b1", vmid: 101 });

beforeEach(() => {
  world = new FakeWorld();
  a = new FakeCluster("a", world, { nodes: ["a1", "a2"], storages: { fast: {} } });
  b = new FakeCluster("b", world, { nodes: ["b1", "b2"], storages: { fast: {} } });
  a.addGuest({ vmid: 100, node: "a1" });
  b.addGuest({ vmid: 101, node: "b1" });
  a.haResources.set(100, { vmid: 100, state: "started", maxRestart: 2 });
  a.haRules.push(
    { rule: "web", type: "node-affinity", resources: ["vm:100", "vm:7"] },
    { rule: "db", type: "node-affinity", resources: [] },
  );
  a.replicationJobs.push({ vmid: 100, ...JOB }, { vmid: 7, ...JOB });
});

describe("what a guest belongs to", () => {
  it("is its HA entry with its rules, and its own replication jobs", async () => {
    expect(await readMembership(source(), true)).toEqual({
      ha: { state: "started", maxRestart: 2, rules: [{ rule: "web", type: "node-affinity" }] },
      replication: [JOB],
    });
  });

  it("costs no right to read HA when HA does not manage it", async () => {
    world.fault = (call) => (call.name.startsWith("ha.") ? "refuse" : undefined);
    expect(await readMembership(source(), false)).toEqual({ replication: [JOB] });
  });
});

describe("what has no counterpart at the target", () => {
  const side = (changes: Partial<TargetSide> = {}): TargetSide => ({
    route: ROUTE,
    node: "b1",
    nodes: ["b1", "b2"],
    haNames: ["web"],
    storageTypes: ["zfspool"],
    ...changes,
  });
  const ha = (...rules: string[]): Membership => ({
    ha: { state: "started", rules: rules.map((rule) => ({ rule, type: "node-affinity" })) },
  });
  const to = (targetNode: string): Membership => ({ replication: [{ ...JOB, targetNode }] });

  it.each<[string, Membership, TargetSide]>([
    ["nothing", {}, side()],
    ["a rule of the same name", ha("web"), side()],
    ["a rule with a name of its own there", ha("web-a"), side({ route: { ...ROUTE, haNames: { "web-a": "web" } } })],
    ["a group that is a rule there", { ha: { state: "started", group: "web", rules: [] } }, side()],
    ["replication to a node of the same name", to("b2"), side()],
    ["replication to a node with a name of its own there", to("a2"), side({ route: { ...ROUTE, nodeNames: { a2: "b2" } } })],
  ])("is not: %s", (_what, membership, there) => {
    expect(membershipFindings(membership, there)).toEqual([]);
  });

  it.each<[string, Membership, TargetSide, RegExp]>([
    ["a rule", ha("web", "db"), side(), /rule db has no counterpart db on b: create it there, map it in ha_names/],
    ["a node", to("a2"), side(), /job 0 to node a2 has no counterpart: b has no node a2. Map it in node_names/],
    ["a node that it goes to itself", to("b1"), side(), /would replicate to the node it goes to/],
    ["a storage that can replicate", to("b2"), side({ storageTypes: ["zfspool", "lvmthin"] }), /needs ZFS storages on b/],
  ])("is: %s", (_what, membership, there, finding) => {
    expect(membershipFindings(membership, there)).toEqual([expect.stringMatching(finding)]);
  });
});

describe("a guest under HA", () => {
  it("is let go before it moves, with its rules as they are, and taken up again after a rollback", async () => {
    const membership = await readMembership(source(), true);
    await releaseFromHa(source(), membership, world.pace);
    expect(a.haResources.get(100)?.state).toBe("ignored");
    expect(a.haRules[0]?.resources).toContain("vm:100");
    await returnToHa(source(), membership, world.pace);
    expect(a.haResources.get(100)?.state).toBe("started");
  });

  it("joins at the target what it belonged to, once", async () => {
    b.haRules.push({ rule: "web", type: "node-affinity", resources: [] });
    const membership = await readMembership(source(), true);
    const route = { ...ROUTE, nodeNames: { a2: "b2" } };
    for (let times = 0; times < 2; times++) await joinAtTarget(target(), route, membership, true, world.pace);
    expect([...b.haResources.values()]).toEqual([{ vmid: 101, state: "started", maxRestart: 2 }]);
    expect(b.haRules[0]?.resources).toEqual(["vm:101"]);
    expect(b.replicationJobs).toEqual([{ vmid: 101, job: 0, targetNode: "b2", disabled: false }]);
  });

  it("is not started by HA where it shall stand still", async () => {
    await joinAtTarget(target(), ROUTE, { ha: { state: "started", rules: [] } }, false, world.pace);
    expect(b.haResources.get(101)?.state).toBe("stopped");
  });

  it.each(["ha.addResource", "replication.create"])("joins once although the answer to %s is lost", async (name) => {
    let lost = false;
    world.fault = (call) => {
      if (call.name !== name || lost) return undefined;
      lost = true;
      return "lose-reply";
    };
    const membership: Membership = { ha: { state: "started", rules: [] }, replication: [{ ...JOB, targetNode: "b2" }] };
    await joinAtTarget(target(), ROUTE, membership, true, world.pace);
    expect([b.haResources.size, b.replicationJobs.length]).toEqual([1, 1]);
  });
});
