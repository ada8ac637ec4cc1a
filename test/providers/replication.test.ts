import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import type { Inputs } from "../../src/providers/inputs";
import { createPace } from "../../src/providers/pace";
import { checkPool, createPool, deletePool, diffPool, readPool, updatePool } from "../../src/providers/pool/pool";
import { Session } from "../../src/providers/session";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";

const MEMBERS = ["worldstream-prod", "databarn-dr"];
const NEWS = { __identity: { stack: "shop/prod", name: "production-pool" } };
const wire = (value: Inputs): Inputs => JSON.parse(JSON.stringify(value)) as Inputs;

let federation: SimulatedFederation;
let outputs: Inputs;
beforeAll(async () => {
  federation = await startSimulatedFederation();
});
afterAll(() => federation?.stop());

const jobsOf = (id: string) => federation.simulator.world.state.clusters[id]!.backupJobs;
const declare = (replication: Inputs | undefined) =>
  federation.edit((text) => {
    const document = parseDocument(text);
    if (replication) document.setIn(["resource_pools", 0, "replication"], replication);
    else document.deleteIn(["resource_pools", 0, "replication"]);
    return document.toString();
  });

/** Each in a process of its own, as far as the session goes. */
async function inSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
  const session = new Session(createPace(undefined), federation.env);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

const check = () =>
  inSession(async (session) => {
    const { inputs, failures } = await checkPool(session, NEWS);
    if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
    return wire(inputs);
  });

async function up(): Promise<"same" | "update"> {
  const inputs = await check();
  if (!diffPool(outputs, inputs).changes) return "same";
  outputs = wire((await inSession((session) => updatePool(session, outputs, inputs))).outs);
  return "update";
}

function grant(): void {
  for (const id of MEMBERS) {
    const { access } = federation.simulator.world.state.clusters[id]!;
    access.roles.BackupJobs = ["Sys.Modify", "Sys.Audit", "Datastore.Allocate", "VM.Backup"];
    const { subject, kind } = access.acl[0]!;
    for (const path of ["/", "/storage/pbs", "/pool"]) access.acl.push({ path, role: "BackupJobs", subject, kind, propagate: true });
  }
}

describe("a pool with replication", () => {
  it("is refused in the preview without the rights of backup jobs", async () => {
    await declare({ schedule: "0 */6 * * *", store: "pbs", rpo: "7h", keep: { daily: 7, last: 2 } });
    await expect(check()).rejects.toThrow(/worldstream-prod: Sys\.Modify on \/ .*Datastore\.Allocate on \/storage\/pbs/);
    expect(MEMBERS.map(jobsOf)).toEqual([{}, {}]);
  });

  it("gets one job on every member, and leaves foreign ones alone", async () => {
    grant();
    jobsOf("databarn-dr").nightly = { schedule: "01:00", storage: "pbs", all: "1", enabled: "1" };
    const inputs = await check();
    outputs = wire((await inSession((session) => createPool(session, inputs))).outs);
    for (const id of MEMBERS) {
      const own = Object.entries(jobsOf(id)).filter(([job]) => job.startsWith("fed-"));
      expect(own).toHaveLength(1);
      expect(own[0]![1]).toMatchObject({
        schedule: "0/6:00",
        storage: "pbs",
        pool: "production-pool",
        mode: "snapshot",
        enabled: "1",
        "prune-backups": "keep-daily=7,keep-last=2",
        comment: "proxmox-federation acme shop/prod production-pool",
      });
    }
    expect(await up()).toBe("same");
  });

  it("is set right after a change by hand", async () => {
    const [job] = Object.values(jobsOf("worldstream-prod"));
    job!.enabled = "0";
    outputs = wire((await inSession((session) => readPool(session, "production-pool", outputs))).props);
    expect(await up()).toBe("update");
    expect(Object.values(jobsOf("worldstream-prod"))[0]!.enabled).toBe("1");
    expect(await up()).toBe("same");
  });

  it("changes with its declaration", async () => {
    await declare({ schedule: "02:00", store: "pbs" });
    expect(await up()).toBe("update");
    const [job] = Object.values(jobsOf("worldstream-prod"));
    expect(job).toMatchObject({ schedule: "02:00" });
    expect(job).not.toHaveProperty("prune-backups");
  });

  it("does not touch a job under its id that somebody else has taken over", async () => {
    const [job] = Object.values(jobsOf("worldstream-prod"));
    const { comment } = job!;
    job!.comment = "mine now";
    await declare({ schedule: "03:00", store: "pbs" });
    await expect(up()).rejects.toThrow(/does not carry our mark \(its comment: "mine now"\) and is not touched/);
    expect(job!.schedule).toBe("02:00");
    Object.values(jobsOf("worldstream-prod"))[0]!.comment = comment!;
    expect(await up()).toBe("update");
  });

  it("loses its jobs with the policy, and with the pool", async () => {
    await declare(undefined);
    expect(await up()).toBe("update");
    expect(jobsOf("worldstream-prod")).toEqual({});
    await declare({ schedule: "02:00", store: "pbs" });
    expect(await up()).toBe("update");
    await inSession((session) => deletePool(session, outputs));
    expect(jobsOf("worldstream-prod")).toEqual({});
    expect(Object.keys(jobsOf("databarn-dr"))).toEqual(["nightly"]);
  });
});
