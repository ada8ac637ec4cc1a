import { describe, expect, it } from "vitest";
import { type Route, storeOf } from "../../src/migration";
import type { PreflightFacts } from "../../src/migration/preflight";
import { syncFindings } from "../../src/migration/preflight/sync";
import type { Remote, StorageDefinition } from "../../src/proxmox";

const ROUTE: Route = {
  source: "a",
  target: "b",
  method: "backup-restore",
  compression: true,
  store: { name: "vault-a", type: "pbs", writeStorage: "pbs", readStorage: "arrivals", sync: { store: "vault-b", remote: "vault-a" } },
};
const storage = (id: string, namespace: string, raw: Record<string, unknown> = {}): StorageDefinition => ({
  storage: id,
  type: "pbs",
  content: ["backup"],
  shared: true,
  raw: { datastore: "main", namespace, ...raw },
});
const AT = "/datastore/main/from-a";
const REMOTE: Remote = { name: "vault-a", host: "pbs-a", authId: "puller@pbs!b" };
const permissions = {
  "/datastore/main": { "Datastore.Audit": true, "Datastore.Backup": true, "Datastore.Modify": true },
  "/remote": { "Remote.Audit": true, "Remote.Read": true },
};
type Facts = Pick<PreflightFacts, "sync" | "sourceStore" | "targetStore">;
const SOUND: Facts = {
  sync: { permissions, remote: REMOTE },
  sourceStore: storage("pbs", "a"),
  targetStore: storage("arrivals", "from-a"),
};
const findings = (facts: Partial<Facts> = {}, route = ROUTE) => syncFindings(route, { ...SOUND, ...facts } as PreflightFacts);

describe("a move between two backup servers", () => {
  it("may go when the target's knows the source's and may keep what it pulls", () => {
    expect(findings()).toEqual([]);
  });

  it("has nothing to ask where both clusters use one store", () => {
    const { sync: _, ...shared } = storeOf(ROUTE);
    expect(findings({ sync: undefined, sourceStore: undefined }, { ...ROUTE, store: shared })).toEqual([]);
  });

  it.each<[string, Partial<Facts>, RegExp]>([
    ["no remote of that name", { sync: { permissions } }, /^the backup server of vault-b knows no remote vault-a: create it there/],
    ["no answer", { sync: "connection refused" }, /^backup store vault-b does not answer: connection refused$/],
    [
      "a storage nobody sees",
      { targetStore: undefined },
      /storage arrivals of b is not there, or its token lacks Datastore\.AllocateSpace/,
    ],
    ["a storage of another type", { sourceStore: { ...storage("pbs", ""), type: "nfs" } }, /storage pbs of a is of type nfs/],
    [
      "a remote that is another server",
      { sync: { permissions, remote: { ...REMOTE, fingerprint: "AA:BB" } }, sourceStore: storage("pbs", "a", { fingerprint: "aa:cc" }) },
      /remote vault-a of vault-b is another server than vault-a: the fingerprints/,
    ],
  ])("is refused with %s", (_what, facts, message) => {
    expect(findings(facts)).toEqual([expect.stringMatching(message)]);
  });

  it("may go to a remote with the source's certificate, however it is written", () => {
    const sync = { permissions, remote: { ...REMOTE, fingerprint: "AA:BB" } };
    expect(findings({ sync, sourceStore: storage("pbs", "a", { fingerprint: "aa:bb" }) })).toEqual([]);
  });

  it.each([
    ["/datastore/main", "Datastore.Audit", AT],
    ["/datastore/main", "Datastore.Backup", AT],
    ["/datastore/main", "Datastore.Modify", AT],
    ["/remote", "Remote.Audit", "/remote/vault-a"],
    ["/remote", "Remote.Read", "/remote/vault-a/main"],
  ] as const)("is refused without the grant on %s of %s", (path, privilege, asked) => {
    const { [privilege]: _, ...rest } = permissions[path] as Record<string, boolean>;
    const [finding, ...others] = findings({ sync: { permissions: { ...permissions, [path]: rest }, remote: REMOTE } });
    expect(others).toEqual([]);
    expect(finding).toMatch(`the account of backup store vault-b lacks ${privilege} on ${asked} (`);
  });
});
