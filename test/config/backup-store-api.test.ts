import { describe, expect, test } from "vitest";
import { federationJsonSchema, parseFederation, resolveBackupServerCredentials } from "../../src/config";
import { complete, errors, warnings } from "./sound-file";

const withApi = (api: string, type = "pbs") =>
  complete({ rest: `backup_stores: [{ name: s, type: ${type}, storages: { a: s1 }, api: ${api} }]` });
const token = "token_id: mover@pbs!move, token_secret_env: PBS_S";
const machine = (environment: Record<string, string>) => ({
  environment,
  readFile: () => Promise.reject(new Error("no files")),
  baseDir: "/",
});

describe("the API of a backup store", () => {
  test("is read with defaults: port 8007, datastore and namespace from the storages", () => {
    const { federation } = parseFederation(withApi(`{ url: 'https://pbs.example', ${token}, ca_file: pbs.pem }`), "f.yaml");
    expect(federation.backupStores[0]!.api).toEqual({
      url: "https://pbs.example:8007",
      credentials: { kind: "token", tokenId: "mover@pbs!move", secret: { kind: "environment", variable: "PBS_S" } },
      tls: { caFile: "pbs.pem", verify: true },
      connectTimeoutMs: 10_000,
      requestTimeoutMs: 60_000,
    });
  });

  test("makes a store of one cluster useful: others are synced with it", () => {
    expect(warnings(withApi(`{ url: 'https://pbs.example', ${token}, ca_file: pbs.pem }`))).toEqual([]);
  });

  test("lets a cluster read what was synced from one that does not write here", () => {
    const text = withApi(`{ url: 'https://pbs.example', ${token}, ca_file: pbs.pem }`).replace(
      "{ a: s1 }",
      "{ a: { storage: s1, from: { b: s2 } } }",
    );
    expect(errors(text)).toEqual([]);
  });

  describe("of a site's own server", () => {
    const path = (more = "") => `migration_policies: { paths: [{ source_cluster: a, target_cluster: b${more} }] }`;
    const api = `api: { url: 'https://pbs.example', ${token}, ca_file: pbs.pem }`;
    const stores = (more = "") =>
      `backup_stores: [{ name: of-a, type: pbs, storages: { a: s1 }, ${api} }, { name: of-b, type: pbs, storages: { b: { storage: s2, from: { a: s3 } } }, ${api} }${more}]`;

    test.each(["", ", backup_store: of-a", ", backup_store: of-b"])("lets archives be pulled from the other site's%s", (more) => {
      const text = complete({ rest: `${path(more)}\n${stores()}` });
      expect(errors(text)).toEqual([]);
      expect(warnings(text)).toEqual([]);
    });

    test("does so only where the file says under which storage they arrive", () => {
      const text = complete({ rest: `${path()}\n${stores().replace(", from: { a: s3 }", "")}` });
      expect(warnings(text).join()).toMatch(/no backup store is reached by both `a` and `b`.*`storages\.b\.from\.a`/);
    });

    test("has to be chosen when there are several", () => {
      const third = `, { name: of-c, type: pbs, storages: { b: { storage: s4, from: { a: s5 } } }, ${api} }`;
      expect(warnings(complete({ rest: `${path()}\n${stores(third)}` })).join()).toMatch(
        /come to `b` by `of-a` and `of-b`, by `of-a` and `of-c`: such a move will be refused/,
      );
    });
  });

  test.each([
    ["another type of store", withApi(`{ url: 'https://x', ${token} }`, "nfs"), /api: a store of type nfs has no API/],
    ["no credentials", withApi("{ url: 'https://x' }"), /api: no credentials are given/],
    ["a secret in the file", withApi("{ url: 'https://x', token_id: mover@pbs!move, token_secret: abc }"), /token_secret/],
    ["plain http", withApi(`{ url: 'http://x', ${token} }`), /https:\/\/host:8007/],
    ["an unknown key", withApi(`{ url: 'https://x', ${token}, datestore: main }`), /datestore.*`datastore`/],
  ])("is refused with %s", (_, text, message) => {
    expect(errors(text).join("\n")).toMatch(message);
  });

  test("without a verified certificate is warned about", () => {
    expect(warnings(withApi(`{ url: 'https://x', ${token}, verify_ssl: false }`)).join()).toMatch(
      /CERTIFICATE OF BACKUP STORE `s` IS NOT VERIFIED/,
    );
  });

  test("has its secret where the file says; messages name the store", async () => {
    const { federation } = parseFederation(withApi(`{ url: 'https://x', ${token}, ca_file: c.pem }`), "f.yaml");
    const [store] = federation.backupStores;
    expect(await resolveBackupServerCredentials(store!, machine({ PBS_S: "s-1\n" }))).toEqual({
      kind: "token",
      tokenId: "mover@pbs!move",
      secret: "s-1",
    });
    await expect(resolveBackupServerCredentials(store!, machine({}))).rejects.toThrow(
      "backup store `s`: environment variable PBS_S is not set. Set it to the token's secret",
    );
  });

  test("is in the JSON Schema that editors use", () => {
    expect(JSON.stringify(federationJsonSchema())).toContain("the server's own API, for syncing with the store of another site");
  });
});
