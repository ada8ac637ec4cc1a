import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

const PREVIEW = {
  steps: [
    {
      op: "create",
      urn: "urn:pulumi:dev::shop::pulumi-nodejs:dynamic/proxmox:FederatedVM::web-1",
      newState: {
        inputs: { placement: { cluster: "databarn-dr", node: "rtm-1", storages: [], why: "the best" }, cores: 2, memory: "4GiB" },
      },
    },
  ],
};

let simulated: SimulatedFederation;
let directory: string;
let preview: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "report-"));
  preview = join(directory, "preview.json");
  await writeFile(preview, JSON.stringify(PREVIEW));
  simulated = await startSimulatedFederation();
});
afterAll(async () => {
  await simulated.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("federate report", () => {
  it("draws the live federation with what a preview plans", async () => {
    const { code, out } = await federate(["report", "--preview", preview, "--as", "mermaid"], simulated.env);
    expect(code).toBe(0);
    expect(out).toContain('["worldstream-prod · worldstream · Amsterdam');
    expect(out).toMatch(/new -\.->\|"web-1"\| c1n0/);
  });

  it("writes a page or a picture to a file, and shows a cluster that is down as such", async () => {
    await simulated.admin("POST", "/faults", { cluster: "hetzner-edge", action: { kind: "reset-before" }, times: 0 });
    const file = join(directory, "federation.html");
    const { code, out } = await federate(["report", "-o", file], simulated.env);
    await simulated.admin("DELETE", "/faults");
    expect([code, out]).toEqual([3, ""]);
    const page = await readFile(file, "utf8");
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain("not reachable");
    expect((await federate(["report", "--as", "svg"], simulated.env)).out).toMatch(/^<\?xml/);
  });

  it("makes Markdown of a preview without a federation file", async () => {
    const { code, out } = await federate(["report", "--preview", preview, "--as", "markdown"], { FEDERATION_CONFIG: "missing.yaml" });
    expect([code, out]).toEqual([0, expect.stringContaining("| create | vm | web-1 | databarn-dr/rtm-1 | the best |")]);
  });

  it("says what is wrong with the arguments", async () => {
    const without = await federate(["report", "--as", "markdown"], simulated.env);
    expect([without.code, without.err]).toEqual([2, expect.stringContaining("pass one with --preview")]);
    const missing = await federate(["report", "--preview", join(directory, "none.json")], simulated.env);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining("none.json")]);
    const text = join(directory, "text.json");
    await writeFile(text, "Previewing update (dev)");
    const wrong = await federate(["report", "--preview", text], simulated.env);
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("pulumi preview --json")]);
  });
});
