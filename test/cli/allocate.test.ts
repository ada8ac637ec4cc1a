import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { declaredRows, undeclaredStorages } from "../../src/cli/allocate/declared";
import type { AllocationReport } from "../../src/cli/allocate/report";
import { EXIT } from "../../src/cli/exit-codes";
import { cluster } from "../support/fake-federation";
import { EXAMPLE_FEDERATION, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
});
afterAll(() => simulated.stop());

async function allocate(...options: string[]): Promise<AllocationReport & { code: number; err: string }> {
  const { code, out, err } = await federate(["allocate", "--format", "json", ...options], simulated.env);
  return { code, err, ...(JSON.parse(out) as AllocationReport) };
}

async function withClusters<T>(ids: string[], work: () => Promise<T>): Promise<T> {
  for (const id of ids) await simulated.admin("POST", `/clusters/${id}`, { status: "down" });
  try {
    return await work();
  } finally {
    for (const id of ids) await simulated.admin("POST", `/clusters/${id}`, { status: "up" });
  }
}

describe("allocate", () => {
  it("decides on what the clusters answer", async () => {
    const report = await allocate("-p", "production-pool", "--cpu", "4", "--memory", "8GB", "--location", "Amsterdam");
    expect(report).toMatchObject({
      code: EXIT.ok,
      err: "",
      ok: true,
      basis: "live",
      pool: "production-pool",
      request: { cores: 4, memoryBytes: 8e9, storageBytes: 100e9, location: "Amsterdam" },
      placement: {
        cluster: "worldstream-prod",
        name: "Worldstream production",
        provider: "worldstream",
        location: "Amsterdam, NL",
        storage: "nvme",
      },
      notes: [],
    });
    expect(report.explanation).toBeUndefined();
  });

  it("hands the place that is asked for to the engine", async () => {
    const report = await allocate("-p", "production-pool", "--location", "Rotterdam", "--explain");
    const terms = report.explanation!.candidates.find((candidate) => candidate.cluster === "databarn-dr")?.terms;
    expect(terms).toContainEqual(
      expect.objectContaining({ term: "distance", detail: expect.stringContaining("databarn-dr is in Rotterdam") }),
    );
  });

  it("gives the same answer to the same question", async () => {
    const [first, second] = [await allocate("-p", "production-pool"), await allocate("-p", "production-pool")];
    expect(second).toEqual(first);
  });

  it("explains every candidate", async () => {
    const report = await allocate("-p", "production-pool", "--explain");
    const candidates = report.explanation!.candidates;
    expect(candidates.filter(({ score }) => score !== undefined).map((candidate) => candidate.cluster)).toEqual(
      expect.arrayContaining(["worldstream-prod", "databarn-dr"]),
    );
    expect(candidates.find((candidate) => candidate.cluster === "hetzner-edge")?.rejected?.reasons).toEqual([
      "hetzner-edge is not in pool production-pool",
    ]);
    const { out } = await federate(["allocate", "-p", "production-pool", "--explain"], simulated.env);
    expect(out).toMatch(
      /^worldstream-prod\/ams-\d {2}Worldstream production, worldstream, Amsterdam, NL\n {2}storage nvme, score \d+\n\na VM in production-pool → worldstream-prod/,
    );
    expect(out).toContain("hetzner-edge is not in pool production-pool");
  });

  it("needs no storage for a VM without a disk", async () => {
    const report = await allocate("-p", "production-pool", "--storage", "0B");
    expect(report.placement?.storage).toBeUndefined();
    expect(report.ok).toBe(true);
  });

  it("says why there is no place, and what would help", async () => {
    const report = await allocate("-p", "production-pool", "--memory", "900GiB");
    expect(report.code).toBe(EXIT.finding);
    expect(report.placement).toBeUndefined();
    expect(report.message).toContain("Cannot place a VM in production-pool: 0 of 6 nodes fit");
    const text = await federate(["allocate", "-p", "production-pool", "--memory", "900GiB"], simulated.env);
    expect(text.out).toContain("What would help:");
    expect(text.code).toBe(EXIT.finding);
  });

  it("goes on without a cluster that is down, and says so", async () => {
    const report = await withClusters(["worldstream-prod"], () => allocate("-p", "production-pool"));
    expect(report).toMatchObject({ code: EXIT.ok, basis: "live", placement: { cluster: "databarn-dr" } });
    expect(report.notes).toEqual([expect.stringMatching(/^worldstream-prod is left out: .*ECONNREFUSED/)]);
  });

  it("tells a missing place from clusters that could not be asked", async () => {
    const report = await withClusters(["worldstream-prod"], () => allocate("-p", "production-pool", "--memory", "200GiB"));
    expect(report).toMatchObject({ code: EXIT.unreachable, ok: false, basis: "live" });
  });

  it("falls back to declared capacity when no cluster of the pool answers", async () => {
    const report = await withClusters(["worldstream-prod", "databarn-dr"], () => allocate("-p", "production-pool", "--memory", "200GiB"));
    expect(report).toMatchObject({ code: EXIT.ok, ok: true, basis: "declared", placement: { cluster: "worldstream-prod" } });
    expect(report.notes).toEqual([
      expect.stringMatching(/^worldstream-prod does not answer: /),
      expect.stringMatching(/^databarn-dr does not answer: /),
    ]);
    const { out } = await withClusters(["worldstream-prod", "databarn-dr"], () =>
      federate(["allocate", "-p", "production-pool"], simulated.env),
    );
    expect(out).toMatch(/^decided on declared capacity: no cluster of the pool answers\nnote: worldstream-prod does not answer: /);
  });

  it("falls back where the credentials are not at hand", async () => {
    const { code, out } = await federate(["allocate", "-p", "production-pool", "--format", "json"], { FEDERATION_CONFIG: simulated.file });
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      basis: "declared",
      notes: [expect.stringContaining("WORLDSTREAM_TOKEN is not set"), expect.anything()],
    });
    expect(code).toBe(EXIT.ok);
  });

  it("plans with a file that has no connections", async () => {
    const file = join(simulated.directory, "planned.yaml");
    const text = await readFile(EXAMPLE_FEDERATION, "utf8");
    await writeFile(file, text.replace(/ {4}connection:\n( {6}.*\n)+/g, "").replace("capacity: 4TB, ", ""));
    const { code, out } = await federate(["allocate", "\\\n", "-c", file, "-p", "production-pool", "--format", "json"]);
    const report = JSON.parse(out) as AllocationReport;
    expect(report).toMatchObject({ ok: true, basis: "declared", placement: { cluster: "worldstream-prod" } });
    expect(report.notes.at(-1)).toBe("the capacity of storage nvme of worldstream-prod is not declared: it is taken to be large enough");
    expect(code).toBe(EXIT.ok);
  });

  it.each<[string, string[], string]>([
    ["no pool", [], "required option '-p, --pool <name>' not specified"],
    [
      "a pool that is not declared",
      ["-p", "prod"],
      "there is no pool prod in the federation file. It declares production-pool, development-pool.",
    ],
    [
      "an ambiguous size",
      ["-p", "production-pool", "--memory", "8G"],
      '--memory: "8G" is ambiguous. Write 8GiB (binary, as Proxmox counts) or 8GB (decimal).',
    ],
    ["half a core", ["-p", "production-pool", "--cpu", "0.5"], "a whole number of cores"],
  ])("refuses %s", async (_, options, message) => {
    const { code, out, err } = await federate(["allocate", ...options], simulated.env);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: EXIT.usage, out: "" });
  });
});

describe("declared capacity", () => {
  const declared = cluster("a", {
    nodes: [
      { name: "a1", cores: 8, memoryBytes: 64, status: "active", tags: [] },
      { name: "a2", status: "active", tags: [] },
    ],
    storage: {
      primary: "tank",
      classes: { fast: "nvme" },
      backends: [
        { name: "nvme", type: "zfs", capacityBytes: 100, availableBytes: 60, features: [] },
        { name: "nas", type: "NFS", features: [] },
      ],
      replicationTargets: [],
    },
  });

  it("has the nodes and storages of the file, with what it says is used", () => {
    const { guests, nodes, storages } = declaredRows(declared);
    expect(guests).toEqual([]);
    expect(nodes).toMatchObject([
      { node: "a1", status: "online", maxCpu: 8, maxMemoryBytes: 64 },
      { node: "a2", status: "online" },
    ]);
    expect(storages.filter(({ node }) => node === "a1")).toMatchObject([
      { storage: "nvme", shared: false, totalBytes: 100, usedBytes: 40 },
      { storage: "nas", shared: true, usedBytes: 0 },
      { storage: "tank", shared: false, usedBytes: 0 },
    ]);
  });

  it("knows which sizes nobody declared", () => {
    expect(undeclaredStorages(declared)).toEqual(["nas", "tank"]);
  });
});
