import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import type { StatusReport } from "../../src/cli/status/report";
import { formatDescription, identityTag } from "../../src/migration";
import type { ProxmoxApi } from "../../src/proxmox";
import { clientOf, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

const CLUSTER = "worldstream-prod";
const POOL = "production-pool";

let simulated: SimulatedFederation;
let api: ProxmoxApi;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
  await setRpo("1h");
  api = clientOf(simulated, CLUSTER);
  await api.pools.create(POOL, "");
  for (const [vmid, name] of [
    [101, "saved"],
    [102, "bare"],
  ] as const)
    await api.tasks.wait(await api.qemu.create("ams-1", { vmid, name, memory: 512, scsi0: "nvme:1", pool: POOL }));
  await api.tasks.wait((await api.backup.start("ams-1", { vmid: 101, storage: "pbs" }))!);
});
afterAll(async () => {
  await api.close();
  await simulated.stop();
});

async function setRpo(rpo: string): Promise<void> {
  await simulated.edit((text) => {
    const document = parseDocument(text);
    document.setIn(["resource_pools", 0, "replication"], { schedule: "02:00", store: "pbs", rpo });
    return document.toString();
  });
}

async function status() {
  const { code, out } = await federate(["status", "--format", "json"], simulated.env);
  const cluster = (JSON.parse(out) as StatusReport).clusters.find(({ id }) => id === CLUSTER)!;
  return { code, problems: cluster.problems, backups: cluster.live!.backups };
}

/** A guest that nobody starts, with a mark. */
async function addTemplate(vmid: number, name: string, mark: { kind: "vm" | "disk"; phase: "settled" | "retired" }): Promise<void> {
  const identity = { federation: "acme", stack: "shop/prod", kind: mark.kind, name };
  const description = formatDescription("", { ...identity, generation: 1, phase: mark.phase });
  await api.tasks.wait(await api.qemu.create("ams-1", { vmid, name, memory: 16, scsi0: "nvme:1", pool: POOL, description }));
  await api.qemu.updateConfig("ams-1", vmid, { template: 1, tags: identityTag(identity) });
}

describe("replication lag", () => {
  it("is the age of each guest's newest backup, and a problem beyond the pool's rpo", async () => {
    const { code, problems, backups } = await status();
    expect(backups.map(({ name, rpoSeconds }) => [name, rpoSeconds])).toEqual([
      ["saved", 3600],
      ["bare", 3600],
    ]);
    expect(backups[0]!.ageSeconds).toBeGreaterThanOrEqual(0);
    expect(backups[1]!.ageSeconds).toBeUndefined();
    expect(code).toBe(1);
    expect(problems).toEqual(["backups of pool production-pool are later than its rpo of 1 h: bare (none)"]);
  });

  it("shows in words and as metrics", async () => {
    const { out } = await federate(["status"], simulated.env);
    expect(out).toMatch(/backups of production-pool: 2 guests, newest of each at most \d+ \w+ old, 1 without/);
    const metrics = (await federate(["metrics"], simulated.env)).out;
    expect(metrics).toMatch(
      /backup_age_seconds\{cluster="worldstream-prod",pool="production-pool",vmid="101",name="saved",federation="acme"\} \d+/,
    );
    expect(metrics).toContain('backup_rpo_seconds{pool="production-pool",federation="acme"} 3600');
    expect(metrics).toContain('guests_without_backup{cluster="worldstream-prod",pool="production-pool",federation="acme"} 1');
  });

  it("counts disks with a life of their own, and no fenced remains of a move", async () => {
    await addTemplate(103, "data", { kind: "disk", phase: "settled" });
    await addTemplate(104, "former-data", { kind: "disk", phase: "retired" });
    await addTemplate(105, "former-vm", { kind: "vm", phase: "retired" });
    expect((await status()).backups.map(({ name }) => name)).toEqual(["saved", "bare", "data"]);
    await api.tasks.wait((await api.backup.start("ams-1", { vmid: 103, storage: "pbs" }))!);
    expect((await status()).backups[2]?.ageSeconds).toBeGreaterThanOrEqual(0);
  });
});
