import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { EngineReplay } from "../support/engine-replay";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { disk, pool, startStack, vm } from "../support/stack";

const web = (name: string) =>
  vm(name, {
    cores: 2,
    memory: "4GiB",
    disks: [{ size: "1GiB", storageClass: "fast" }],
    networks: [{ network: "lan" }],
    agent: false,
    tags: ["web"],
    antiAffinity: ["web"],
  });

describe("a VM's life over two clusters", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  const program = [pool("production-pool"), web("web-1"), web("web-2"), disk("data", { size: "2GiB", storageClass: "fast" }, "web-1")];

  beforeAll(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
  });
  afterAll(async () => {
    await federation?.stop();
  });

  const operations = (steps: { operation: string; name: string }[]) => Object.fromEntries(steps.filter((step) => step.operation !== "delete-replaced").map((step) => [step.name, step.operation]));

  it("creates everything on the production cluster, web servers on different nodes", async () => {
    await stack.up(program);
    const places = ["web-1", "web-2"].map((name) => stack.get(name).outputs.placement as { cluster: string; node: string });
    expect(places.map((place) => place.cluster)).toEqual(["worldstream-prod", "worldstream-prod"]);
    expect(places[0]!.node).not.toBe(places[1]!.node);
  });

  it("has nothing to do the second time, nor after a refresh", async () => {
    expect(operations(await stack.preview(program))).toEqual({ "production-pool": "same", "web-1": "same", "web-2": "same", data: "same" });
    const refreshed = await stack.refresh();
    expect(refreshed.filter((step) => step.drift).map((step) => step.name)).toEqual([]);
    expect(operations(await stack.up(program))).toEqual({ "production-pool": "same", "web-1": "same", "web-2": "same", data: "same" });
  });

  it("moves VMs and the attached disk with their data when the cluster is drained, and says so before", async () => {
    const { outputs } = stack.get("web-1");
    await federation.admin("POST", `/guests/worldstream-prod/${outputs.vmid}/write`, { disk: "scsi0", blocks: 100, seed: "one" });
    await federation.admin("POST", `/guests/worldstream-prod/${outputs.vmid}/write`, { disk: "scsi16", blocks: 50, seed: "two" });
    const before = await federation.admin<Checksum[]>("GET", "/checksums");
    await federation.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));

    const preview = await stack.preview(program);
    expect(operations(preview)).toMatchObject({ "web-1": "replace", "web-2": "replace", data: "replace" });
    console.log(JSON.stringify(preview.find((step) => step.name === "web-1" && step.operation === "replace")?.inputs, null, 1));

    await stack.up(program);
    expect((stack.get("web-1").outputs.placement as { cluster: string }).cluster).toBe("databarn-dr");
    const after = await federation.admin<Checksum[]>("GET", "/checksums");
    console.log(JSON.stringify(before), JSON.stringify(after));
    const guests = await federation.admin<{ cluster: string }[]>("GET", "/guests");
    expect(guests.filter((guest) => guest.cluster === "worldstream-prod")).toEqual([]);
    expect(operations(await stack.preview(program))).toEqual({ "production-pool": "same", "web-1": "same", "web-2": "same", data: "same" });
  });

  it("leaves nothing behind", async () => {
    await stack.destroy();
    expect(await federation.admin("GET", "/guests")).toEqual([]);
  });
});

interface Checksum {
  volid: string;
  sha256: string;
}
