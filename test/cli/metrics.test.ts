import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAddress, serveMetrics } from "../../src/cli/metrics/serve";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "metrics-"));
  simulated = await startSimulatedFederation();
});
afterAll(async () => {
  await simulated.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Value of a series, found by its name and some of its labels. */
function value(text: string, name: string, labels: Record<string, string>): number | undefined {
  const line = text
    .split("\n")
    .find(
      (row) => row.startsWith(`proxmox_federation_${name}{`) && Object.entries(labels).every(([key, is]) => row.includes(`${key}="${is}"`)),
    );
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

describe("federate metrics", () => {
  it("prints every cluster's state, and a cluster that is down as down", async () => {
    await simulated.admin("POST", "/faults", { cluster: "hetzner-edge", action: { kind: "reset-before" }, times: 1000 });
    const { code, out } = await federate(["metrics"], simulated.env);
    await simulated.admin("DELETE", "/faults");
    expect(code).toBe(0);
    expect(value(out, "cluster_up", { cluster: "worldstream-prod" })).toBe(1);
    expect(value(out, "cluster_up", { cluster: "hetzner-edge" })).toBe(0);
    expect(value(out, "cluster_nodes", { cluster: "worldstream-prod", state: "online" })).toBe(3);
    expect(value(out, "cluster_nodes", { cluster: "hetzner-edge" })).toBeUndefined();
    expect(value(out, "cluster_memory_bytes", { cluster: "worldstream-prod", kind: "total" })).toBe(3 * 256 * 1024 ** 3);
    expect(value(out, "cluster_cpu_cores", { cluster: "databarn-dr", kind: "total" })).toBe(48);
    expect(out).toContain('federation="acme"');
    expect(out).toMatch(/^# HELP proxmox_federation_cluster_up /m);
  });

  it("replaces a file as a whole and leaves no draft", async () => {
    const file = join(directory, "federation.prom");
    expect((await federate(["metrics", "--textfile", file], simulated.env)).code).toBe(0);
    expect(value(await readFile(file, "utf8"), "cluster_up", { cluster: "databarn-dr" })).toBe(1);
    expect(await readdir(directory)).toEqual(["federation.prom"]);
  });

  it("refuses options that make no sense together", async () => {
    const both = await federate(["metrics", "--listen", "0", "--textfile", "x"], simulated.env);
    expect([both.code, both.err]).toEqual([2, expect.stringContaining("exclude each other")]);
    const bad = await federate(["metrics", "--listen", "nowhere"], simulated.env);
    expect([bad.code, bad.err]).toEqual([2, expect.stringContaining("nowhere is no address")]);
  });
});

describe("the metrics server", () => {
  it("shares one look between scrapes that overlap, and says in the log why one failed", async () => {
    let looks = 0;
    let answer: (text: string) => void = () => {};
    const reports: string[] = [];
    const collect = () => {
      looks += 1;
      return looks === 2 ? Promise.reject(new Error("no file")) : new Promise<string>((resolve) => (answer = resolve));
    };
    const server = await serveMetrics({ host: "127.0.0.1", port: 0 }, collect, (message) => reports.push(message));
    try {
      const scrapes = [fetch(server.url), fetch(server.url)];
      await expect.poll(() => looks).toBe(1);
      expect((await fetch(server.url.replace("/metrics", "/other"))).status).toBe(404);
      answer("up 1\n");
      const texts = await Promise.all(scrapes.map(async (scrape) => (await scrape).text()));
      expect(texts).toEqual(["up 1\n", "up 1\n"]);
      const failed = await fetch(server.url);
      expect([failed.status, await failed.text()]).toEqual([500, expect.not.stringContaining("no file")]);
      expect(reports).toEqual(["no file"]);
    } finally {
      await server.close();
    }
  });

  it.each([
    ["9837", "127.0.0.1", 9837],
    ["0.0.0.0:80", "0.0.0.0", 80],
    ["[::1]:9837", "::1", 9837],
  ])("listens on %s", (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
  });
});
