import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { EngineReplay } from "../support/engine-replay";
import type { Step } from "../support/replay-model";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const program = [
  pool("production-pool"),
  vm("web-1", { cores: 2, memory: "4GiB", disks: [{ size: "1GiB", storageClass: "fast" }], networks: [{ network: "lan" }] }),
];

describe("where a VM is", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;

  beforeEach(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
    await stack.up(program);
  });
  afterEach(async () => {
    await federation.stop();
  });

  const place = () => stack.get("web-1").outputs.placement as { cluster: string; node: string };
  const operation = (steps: Step[]) => steps.find((step) => step.name === "web-1")?.operation;
  const guests = () => Object.values(federation.simulator.world.state.clusters).flatMap((cluster) => Object.values(cluster.guests));
  const sourceGuest = () => federation.simulator.world.state.clusters["worldstream-prod"]!.guests[String(stack.get("web-1").outputs.vmid)];

  /** `status: draining` on the node the VM is on. */
  const drainNode = (node: string) =>
    federation.edit((text) => {
      const document = parseDocument(text);
      document.setIn(["clusters", 0, "nodes", Number(node.slice(-1)) - 1, "status"], "draining");
      return document.toString();
    });

  it("changes live inside its cluster when its node is drained", async () => {
    const { node } = place();
    await drainNode(node);
    expect(operation(await stack.preview(program))).toBe("update");
    await stack.up(program);
    expect(place().cluster).toBe("worldstream-prod");
    expect(place().node).not.toBe(node);
    expect(sourceGuest()).toMatchObject({ node: place().node, running: true });
    expect(operation(await stack.preview(program))).toBe("same");
  });

  it("is accepted where an operator or HA has put it, as long as no rule is broken", async () => {
    const guest = sourceGuest()!;
    const other = guest.node === "ams-1" ? "ams-2" : "ams-1";
    const backends = federation.simulator.world.state.backends;
    const from = backends[`worldstream-prod:nvme@${guest.node}`]!;
    const to = backends[`worldstream-prod:nvme@${other}`]!;
    for (const [volname, volume] of Object.entries(from.volumes)) {
      to.volumes[volname] = volume;
      delete from.volumes[volname];
    }
    guest.node = other;
    expect(operation(await stack.preview(program))).toBe("same");
    await stack.refresh();
    expect(place().node).toBe(other);
    expect(operation(await stack.up(program))).toBe("same");
  });

  it("is its source again when a move was killed and the plan taken back", async () => {
    await federation.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));
    await federation.admin("POST", "/faults", {
      cluster: "worldstream-prod",
      method: "POST",
      path: "/nodes/{node}/vzdump",
      // The first backup is the warm one, of the running guest.
      at: 2,
      action: { kind: "delay", ms: 3_600_000 },
    });
    const killed = stack.up(program).catch((error: unknown) => error);
    await expect.poll(async () => (await federation.admin<{ hits: number }[]>("GET", "/faults"))[0]?.hits, { timeout: 30_000 }).toBe(1);
    stack.kill();
    expect(String(await killed)).toMatch(/web-1: create/);
    await federation.admin("DELETE", "/faults");
    expect(sourceGuest()).toMatchObject({ running: false, config: { template: "1" } });

    await federation.edit((text) => setClusterStatus(text, "worldstream-prod", "active"));
    const preview = await stack.preview(program);
    expect(operation(preview)).toBe("update");
    expect(preview.find((step) => step.name === "web-1")?.inputs?.recovery).toMatch(/rolled back/);
    await stack.up(program);
    expect(place().cluster).toBe("worldstream-prod");
    expect(sourceGuest()).toMatchObject({ running: true });
    expect(sourceGuest()!.config.template).toBeUndefined();
    expect(guests()).toHaveLength(1);
    expect(operation(await stack.preview(program))).toBe("same");
  });
});
