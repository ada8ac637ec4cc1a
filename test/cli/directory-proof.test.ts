/** Proving that a directory which several clusters have mounted is one, by what both list. */

import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseDocument } from "yaml";
import type { ValidateReport } from "../../src/cli/validate/report";
import { EXAMPLE_FEDERATION, type SimulatedFederation, startSimulatedFederation, withClient } from "../support/simulated-federation";
import { federate } from "./run";

const PROD = "worldstream-prod";
const DR = "databarn-dr";
const NODE = "ams-1";

let simulated: SimulatedFederation;
beforeAll(async () => {
  const document = parseDocument(await readFile(EXAMPLE_FEDERATION, "utf8"));
  const store = { name: "disk", type: "dir", storages: { [PROD]: "archives", [DR]: "archives" } };
  document.set("backup_stores", document.createNode([store]));
  simulated = await startSimulatedFederation({ text: document.toString() });
});
afterAll(() => simulated?.stop());

async function proofs(): Promise<string[]> {
  const { out } = await federate(["validate", "--format", "json", "--check-connectivity"], simulated.env);
  const { findings } = JSON.parse(out) as ValidateReport;
  return findings.flatMap(({ severity, cluster, message }) => (/archives \(/.test(message) ? [`${severity} ${cluster}: ${message}`] : []));
}

it("nothing proves it before the first archive, and that archive does", async () => {
  const doubt = (reader: string, source: string) =>
    `warning ${reader}: storage archives is not proven to be where ${source} writes its archives (archives there): nobody can tell that of two storages of type dir before both list the same archive`;
  expect((await proofs()).sort()).toEqual([doubt(DR, PROD), doubt(PROD, DR)]);

  await withClient(simulated, PROD, async (api) => {
    await api.tasks.wait((await api.qemu.create(NODE, { vmid: 900, memory: 64 }))!);
    await api.tasks.wait((await api.backup.start(NODE, { vmid: 900, storage: "archives", mode: "stop" }))!);
  });
  expect(await proofs()).toEqual([]);
});
