import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
let secrets: string;
beforeEach(async () => {
  simulated = await startSimulatedFederation();
  secrets = join(simulated.directory, "secrets");
});
afterEach(() => simulated.stop());

const tokens = (id: string) => simulated.simulator.world.state.clusters[id]!.access.tokens;
const names = (id: string) => Object.keys(tokens(id)).filter((name) => name.startsWith("iac@"));

function rotate(...argv: string[]) {
  const passwords = simulated.simulator.clusters.map(({ id, passwords: known }) => [
    `FEDERATE_ADMIN_PASSWORD_${id.toUpperCase().replaceAll("-", "_")}`,
    known["root@pam"],
  ]);
  return federate(["rotate", "--secrets", secrets, ...argv], { ...simulated.env, ...Object.fromEntries(passwords) });
}

async function newEnvironment(): Promise<Record<string, string>> {
  const lines = (await readFile(secrets, "utf8")).trim().split("\n");
  return { ...simulated.env, ...Object.fromEntries(lines.map((line) => line.split("=", 2) as [string, string])) };
}

/** What `validate` finds the credentials of each cluster to lack. */
async function lacks(environment: Record<string, string>): Promise<string[]> {
  const { out } = await federate(["validate", "--check-connectivity", "--format", "json"], environment);
  const { findings } = JSON.parse(out) as { findings: { cluster?: string; message: string }[] };
  return findings.filter(({ message }) => message.includes("lack")).map(({ cluster, message }) => `${cluster}: ${message}`);
}

describe("federate rotate", () => {
  it("puts a new token with the same rights into use everywhere, and revokes the old ones", async () => {
    const before = await readFile(simulated.file, "utf8");
    const lacksBefore = await lacks(simulated.env);
    const { code, out, err } = await rotate();
    expect([code, err]).toEqual([0, ""]);
    for (const id of ["worldstream-prod", "databarn-dr", "hetzner-edge"]) expect(names(id)).toEqual(["iac@pve!federation-2"]);
    expect((await stat(secrets)).mode & 0o777).toBe(0o600);
    expect(await readFile(simulated.file, "utf8")).toBe(before.replaceAll("iac@pve!federation", "iac@pve!federation-2"));
    for (const value of Object.values(await newEnvironment())) expect(out).not.toContain(value);

    expect((await federate(["status"], simulated.env)).code).toBe(4);
    expect((await federate(["status"], await newEnvironment())).code).toBe(0);
    expect(await lacks(await newEnvironment())).toEqual(lacksBefore);
  });

  it("only says what it would do on a dry run", async () => {
    const before = await readFile(simulated.file, "utf8");
    const { code, out } = await rotate("--dry-run", "--cluster", "databarn-dr");
    expect([code, out]).toEqual([
      0,
      "databarn-dr: would make iac@pve!federation-2 with the grants of iac@pve!federation, and revoke federation\n",
    ]);
    expect(names("databarn-dr")).toEqual(["iac@pve!federation"]);
    expect(await readFile(simulated.file, "utf8")).toBe(before);
  });

  it("goes on after an interruption, and revokes what that left", async () => {
    // Made, and then nothing more: nobody knows the secret.
    tokens("databarn-dr")["iac@pve!federation-2"] = { secret: "lost", privsep: true, expire: 0, comment: "made by federate rotate" };
    tokens("databarn-dr")["iac@pve!other"] = { secret: "foreign", privsep: true, expire: 0 };
    expect((await rotate("--cluster", "databarn-dr")).code).toBe(0);
    expect(names("databarn-dr").sort()).toEqual(["iac@pve!federation-3", "iac@pve!other"]);
  });

  it("leaves alone what it has made for other federation files of the same user", async () => {
    const other = { secret: "foreign", privsep: true, expire: 0 };
    tokens("databarn-dr")["iac@pve!ci-2"] = { ...other, comment: "made by federate rotate" };
    tokens("databarn-dr")["iac@pve!federation-7"] = { ...tokens("databarn-dr")["iac@pve!federation"]! };
    const file = await readFile(simulated.file, "utf8");
    expect((await rotate("--cluster", "databarn-dr")).code).toBe(0);
    expect(names("databarn-dr").sort()).toEqual(["iac@pve!ci-2", "iac@pve!federation-2", "iac@pve!federation-7"]);
    // Somebody else's file, which names the other one.
    await simulated.edit(() => file.replaceAll("iac@pve!federation", "iac@pve!federation-7"));
    expect((await rotate("--cluster", "databarn-dr")).code).toBe(0);
    expect(names("databarn-dr").sort()).toEqual(["iac@pve!ci-2", "iac@pve!federation-2", "iac@pve!federation-8"]);
  });

  it("keeps old tokens when told to, and they go with the next rotation", async () => {
    expect((await rotate("--keep-old", "--cluster", "databarn-dr")).code).toBe(0);
    expect(names("databarn-dr").sort()).toEqual(["iac@pve!federation", "iac@pve!federation-2"]);
    expect((await rotate("--cluster", "databarn-dr")).code).toBe(0);
    expect(names("databarn-dr")).toEqual(["iac@pve!federation-3"]);
  });

  it("changes nothing without an administrator, and says what to set", async () => {
    const { code, err } = await federate(["rotate", "--cluster", "databarn-dr"], simulated.env);
    expect([code, err]).toEqual([2, expect.stringContaining("FEDERATE_ADMIN_PASSWORD_DATABARN_DR")]);
    const wrong = await federate(["rotate", "--cluster", "databarn-dr"], { ...simulated.env, FEDERATE_ADMIN_PASSWORD: "wrong-password" });
    expect([wrong.code, wrong.err]).toEqual([4, expect.not.stringContaining("wrong-password")]);
    expect(names("databarn-dr")).toEqual(["iac@pve!federation"]);
  });

  it("refuses clusters it does not know", async () => {
    const { code, err } = await rotate("--cluster", "nowhere");
    expect([code, err]).toEqual([2, expect.stringContaining("there is no cluster nowhere")]);
  });
});
