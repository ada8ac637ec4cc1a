/** From a federation.yaml with the APIs of its backup stores to simulated servers and back to a client. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadFederation, resolveBackupServerCredentials } from "../../../src/config";
import { createBackupServerClient } from "../../../src/proxmox";
import { type SimulatedFederation, startSimulatedFederation } from "../../support/simulated-federation";
import { sendRaw } from "../http-client";

const cluster = (id: string, other: string) => `
  - id: ${id}
    connection: { api_url: "https://${id}.example:8006", token_id: iac@pve!ci, token_secret_env: ${id.toUpperCase()}, ca_file: x.pem }
    network: { cross_connects: [{ target_cluster: ${other}, bandwidth: 400Mbps }] }
    storage: { primary_storage: local }`;
const store = (id: string, other: string) => `
  - name: vault-${id}
    type: pbs
    storages: { ${id}: { storage: vault, from: { ${other}: arrivals } } }
    api: { url: "https://vault.${id}.example", token_id: mover@pbs!move, token_secret_env: VAULT_${id.toUpperCase()}, ca_file: x.pem, datastore: main }`;
const text = `name: two
clusters:${cluster("ams", "fra")}${cluster("fra", "ams")}
backup_stores:${store("ams", "fra")}${store("fra", "ams")}
`;

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation({ text });
});
afterAll(() => simulated.stop());

test("each store has a server at its cluster's site, with the file's datastore and a namespace per cluster", () => {
  const { backupServers, backends, links } = simulated.simulator.world.state;
  expect(Object.values(backupServers!).map(({ id, site }) => [id, site])).toEqual([
    ["pbs-vault-ams", "ams"],
    ["pbs-vault-fra", "fra"],
  ]);
  expect(backupServers!["pbs-vault-ams"]!.datastores.main!.namespaces).toEqual(["ams", "fra"]);
  expect(backends["store:vault-ams"]!.site).toBe("ams");
  expect(links).toEqual({ "ams|fra": 50e6 });
});

test("the rewritten file and environment reach it with a verified certificate", async () => {
  const { federation } = await loadFederation(simulated.file);
  const [vault] = federation.backupStores;
  const { url, tls, connectTimeoutMs, requestTimeoutMs } = vault!.api!;
  const environment = { environment: simulated.env, readFile: () => Promise.reject(new Error("no files")), baseDir: "/" };
  const credentials = await resolveBackupServerCredentials(vault!, environment);
  const client = createBackupServerClient({ serverId: vault!.name, url, credentials, tls, connectTimeoutMs, requestTimeoutMs });
  expect(await client.datastores.listNamespaces("main")).toEqual(["ams", "fra"]);
  expect(await client.getPermissions()).toMatchObject({
    "/datastore/main": { "Datastore.Prune": true },
    "/remote": { "Remote.Read": true },
  });
  await client.close();
});

test("errors are plain text in a body that says it is JSON", async () => {
  const [server] = simulated.simulator.backupServers;
  const { port } = new URL(server!.url);
  const authorization = `PBSAPIToken=mover@pbs!move:${server!.tokens["mover@pbs!move"]}`;
  const ask = (path: string) =>
    sendRaw(
      server!.url,
      `GET /api2/json${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
  const unknown = await ask("/nothing");
  expect(unknown).toMatch(/^HTTP\/1\.1 404 Not Found\r\nContent-Type: application\/json;charset=UTF-8\r\n/);
  expect(unknown).toContain("Path '/api2/json/nothing' not found.");
  const forbidden = await ask("/admin/datastore/other/status");
  expect(forbidden).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
  expect(forbidden).toContain("permission check failed");
});
