import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "../../src/cli/program";
import { loadFederation } from "../../src/config";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "init-"));
  simulated = await startSimulatedFederation();
});
afterAll(async () => {
  await simulated.stop();
  await rm(directory, { recursive: true, force: true });
});

const endpoint = (id: string) => simulated.simulator.clusters.find((cluster) => cluster.id === id)!.endpoints[0]!.url;

async function init(name: string, answers: string[], environment: Record<string, string | undefined> = simulated.env) {
  const file = join(directory, name);
  let err = "";
  const code = await runCli(
    ["init", "-c", file],
    {
      stdout: { write: () => {} },
      stderr: { write: (text: string) => (err += text) },
      environment,
      stdin: Readable.from(answers.map((answer) => `${answer}\n`)),
    },
    "1.2.3",
  );
  return { code, err, file };
}

const cluster = (id: string, url: string, variable: string) => [
  id,
  url,
  "yes",
  "iac@pve!federation",
  variable,
  "Provider",
  "Amsterdam, NL",
  "",
  "",
];

describe("federate init", () => {
  it("writes what it is told and what it finds, and what it writes validates on the live clusters", async () => {
    const { code, err, file } = await init("federation.yaml", [
      "acme",
      ...cluster("ams", endpoint("worldstream-prod"), "WORLDSTREAM_TOKEN"),
      "yes",
      ...cluster("rtm", endpoint("databarn-dr"), "DATABARN_TOKEN"),
      "no",
      "",
    ]);
    expect([code, err]).toEqual([0, expect.stringContaining(`wrote ${file}`)]);
    const { federation, warnings } = await loadFederation(file);
    expect(warnings).toEqual([]);
    expect(federation.clusters.map(({ id, tier }) => [id, tier])).toEqual([
      ["ams", "primary"],
      ["rtm", "secondary"],
    ]);
    expect(federation.clusters[0]).toMatchObject({
      location: { name: "Amsterdam, NL" },
      connection: { tls: { fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}/) } },
      nodes: [{ name: "ams-1", cores: 32 }, { name: "ams-2" }, { name: "ams-3" }],
      network: { bridges: ["vmbr0"] },
    });
    expect(federation.backupStores.map(({ type, access }) => [type, Object.keys(access)])).toEqual([["pbs", ["ams", "rtm"]]]);
    expect(federation.defaultPool).toBe("production");
    const secrets = Object.values(simulated.env).filter((value) => value !== undefined && /^[0-9a-f-]{36}$/.test(value));
    expect(secrets.length).toBeGreaterThan(0);
    for (const secret of secrets) expect(await readFile(file, "utf8")).not.toContain(secret);
    const status = await federate(["status", "-c", file], simulated.env);
    expect([status.code, status.out]).toEqual([0, expect.stringContaining("● ams")]);
  });

  it("goes on without facts where no secret is set", async () => {
    const { code, err, file } = await init("blind.yaml", [
      "acme",
      ...cluster("ams", endpoint("worldstream-prod"), "NOT_SET"),
      "no",
      "pool",
    ]);
    expect([code, err]).toEqual([0, expect.stringContaining("NOT_SET is not set here")]);
    expect((await loadFederation(file)).federation.clusters[0]?.nodes).toEqual([]);
  });

  it.each<[string, object | undefined, string | undefined, RegExp]>([
    ["answers with a web page", { kind: "html" }, undefined, /no Proxmox VE API|not .*JSON|HTML/i],
    ["refuses the token", undefined, "00000000-0000-0000-0000-000000000000", /refus|invalid|authentication/i],
  ])("says so and goes on without facts where the cluster %s", { timeout: 40_000 }, async (what, action, secret, said) => {
    if (action) await simulated.admin("POST", "/faults", { cluster: "worldstream-prod", times: 0, action });
    try {
      const answers = ["acme", ...cluster("ams", endpoint("worldstream-prod"), "OWN_TOKEN"), "no", "pool"];
      const name = `trouble-${what.split(" ")[0]}.yaml`;
      const { code, err, file } = await init(name, answers, { OWN_TOKEN: secret ?? simulated.env.WORLDSTREAM_TOKEN });
      expect([code, err]).toEqual([0, expect.stringMatching(said)]);
      expect(err).toContain("nodes, storages and bridges are left out of the file");
      expect(err).not.toMatch(/\n {4}at /);
      expect((await loadFederation(file)).federation.clusters[0]?.nodes).toEqual([]);
    } finally {
      await simulated.admin("DELETE", "/faults");
    }
  });

  it("stops where the certificate is not the node's, and asks again where an answer makes no sense", async () => {
    const answers = ["Not A Name", "acme", "ams", "http://plain.example", endpoint("worldstream-prod"), "no"];
    const { code, err, file } = await init("mistrust.yaml", answers);
    expect([code, err]).toEqual([2, expect.stringContaining("somebody may be between")]);
    expect(err).toContain("small letters, digits and -");
    expect(err).toContain("Proxmox speaks https only");
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
  });

  it("writes nothing when the answers end, and replaces nothing unasked", async () => {
    const ended = await init("ended.yaml", ["acme"]);
    expect([ended.code, ended.err]).toEqual([2, expect.stringContaining("the input ended at the question")]);
    await expect(readFile(ended.file)).rejects.toThrow(/ENOENT/);
    const again = await init("federation.yaml", []);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("--force")]);
  });
});
