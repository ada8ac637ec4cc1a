import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { EngineReplay } from "../support/engine-replay";
import type { Step } from "../support/replay-model";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { disk, pool, startStack, vm } from "../support/stack";

const web = (name: string) =>
  vm(name, {
    cores: 2,
    memory: "4GiB",
    disks: [{ size: "1GiB", storageClass: "fast" }],
    networks: [{ network: "lan" }],
    agent: true,
    tags: ["web"],
    antiAffinity: ["web"],
  });

const program = [pool("production-pool"), web("web-1"), web("web-2"), disk("data", { size: "2GiB", storageClass: "fast" }, "web-1")];
const atRest = { "production-pool": "same", "web-1": "same", "web-2": "same", data: "same" };

interface Checksum {
  volname: string;
  vmid: number;
  sha256: string;
  blockCount: number;
  volids: { cluster: string }[];
}

describe("VMs and a disk over two clusters", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;

  beforeAll(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
  });
  afterAll(async () => {
    await federation?.stop();
  });

  const operations = (steps: Step[]) =>
    Object.fromEntries(steps.filter((step) => step.operation !== "delete-replaced").map((step) => [step.name, step.operation]));
  const place = (name: string) => stack.get(name).outputs.placement as { cluster: string; node: string };

  /** Checksums of written guest disks on one cluster, sorted. */
  async function writtenData(cluster: string): Promise<string[]> {
    const disks = await federation.admin<Checksum[]>("GET", "/checksums");
    return disks
      .filter((found) => found.vmid !== 0 && found.blockCount > 0 && found.volids.some((volid) => volid.cluster === cluster))
      .map((found) => found.sha256)
      .sort();
  }

  it("are created on the production cluster, web servers on different nodes", async () => {
    await stack.up(program);
    expect([place("web-1").cluster, place("web-2").cluster, place("data").cluster]).toEqual(Array(3).fill("worldstream-prod"));
    expect(place("web-1").node).not.toBe(place("web-2").node);
    expect(place("data").node).toBe(place("web-1").node);
  });

  it("need nothing the second time, nor after a refresh", async () => {
    expect(operations(await stack.preview(program))).toEqual(atRest);
    expect((await stack.refresh()).filter((step) => step.drift)).toEqual([]);
    expect(operations(await stack.up(program))).toEqual(atRest);
  });

  it("show drift after a change by hand, and lose it again", async () => {
    const guest = federation.simulator.world.state.clusters["worldstream-prod"]!.guests[String(stack.get("web-1").outputs.vmid)]!;
    guest.config.memory = "1024";
    const refreshed = await stack.refresh();
    expect(refreshed.filter((step) => step.drift).map((step) => step.name)).toEqual(["web-1"]);
    expect(stack.get("web-1").outputs.drift).toEqual(["memory is 1024, declared 4096"]);
    expect(operations(await stack.up(program))).toEqual({ ...atRest, "web-1": "update" });
    expect(guest.config.memory).toBe("4096");
    expect(operations(await stack.preview(program))).toEqual(atRest);
  });

  it("move with their data when the cluster is drained, and the preview says so", async () => {
    const { vmid } = stack.get("web-1").outputs;
    await federation.admin("POST", `/guests/worldstream-prod/${vmid}/write`, { disk: "scsi0", blocks: 100, seed: "system" });
    await federation.admin("POST", `/guests/worldstream-prod/${vmid}/write`, { disk: "scsi16", blocks: 50, seed: "tables" });
    const before = await writtenData("worldstream-prod");
    expect(before).toHaveLength(2);
    await federation.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));

    const preview = await stack.preview(program);
    expect(operations(preview)).toEqual({ "production-pool": "same", "web-1": "replace", "web-2": "replace", data: "replace" });
    const replace = preview.find((step) => step.name === "web-1" && step.operation === "replace");
    expect(replace?.inputs?.migration).toMatchObject({
      from: expect.stringMatching(/^worldstream-prod\/ams-\d \(vm \d+\)$/),
      to: expect.stringMatching(/^databarn-dr\/rtm-\d$/),
      method: expect.stringContaining("backup-restore"),
      store: expect.stringContaining("pbs"),
      limit: expect.stringContaining("500Mbps"),
      reason: expect.stringContaining("draining"),
    });

    await stack.up(program);
    expect([place("web-1").cluster, place("web-2").cluster, place("data").cluster]).toEqual(Array(3).fill("databarn-dr"));
    expect(await writtenData("databarn-dr")).toEqual(before);
    const guests = await federation.admin<{ cluster: string }[]>("GET", "/guests");
    expect(guests.filter((guest) => guest.cluster === "worldstream-prod")).toEqual([]);
    expect(operations(await stack.preview(program))).toEqual(atRest);
    expect((await stack.refresh()).filter((step) => step.drift)).toEqual([]);
  });

  it("change in place: more memory, a larger and a further disk, a disk that grows while attached", async () => {
    const changed = [
      program[0]!,
      vm("web-1", {
        cores: 4,
        memory: "8GiB",
        disks: [{ size: "2GiB", storageClass: "fast" }, { size: "1GiB" }],
        networks: [{ network: "lan" }],
        agent: true,
        tags: ["web", "blue"],
        antiAffinity: ["web"],
      }),
      program[2]!,
      disk("data", { size: "3GiB", storageClass: "fast" }, "web-1"),
    ];
    expect(operations(await stack.up(changed))).toEqual({ ...atRest, "web-1": "update", data: "update" });
    expect(stack.get("data").outputs.sizeBytes).toBe(3 * 1024 ** 3);
    expect(operations(await stack.preview(changed))).toEqual(atRest);
    expect((await stack.refresh()).filter((step) => step.drift)).toEqual([]);
    const shrunk = [changed[0]!, changed[1]!, changed[2]!, disk("data", { size: "1GiB", storageClass: "fast" }, "web-1")];
    await expect(stack.up(shrunk)).rejects.toThrow(/disks only grow/);
  });

  it("leave nothing behind", async () => {
    await stack.destroy();
    expect(await federation.admin("GET", "/guests")).toEqual([]);
    const disks = await federation.admin<Checksum[]>("GET", "/checksums");
    expect(disks.filter((found) => found.vmid !== 0)).toEqual([]);
    const pools = Object.values(federation.simulator.world.state.clusters).flatMap((cluster) => Object.keys(cluster.pools));
    expect(pools).toEqual([]);
  });
});
