import { describe, expect, it } from "vitest";
import type { BackupStore, Federation, MigrationPath } from "../../src/config";
import { planRoute } from "../../src/migration";
import { cluster, federation } from "../support/fake-federation";

const PBS: BackupStore = {
  name: "vault",
  type: "pbs",
  access: { a: { storage: "pbs-a", readAs: {} }, b: { storage: "pbs-b", readAs: { a: "pbs-of-a" } } },
};
const NFS: BackupStore = { name: "nas", type: "nfs", access: { a: { storage: "nas", readAs: {} }, b: { storage: "nas", readAs: {} } } };
const ONLY_A: BackupStore = { name: "attic", type: "dir", access: { a: { storage: "attic", readAs: {} } } };

/** Of its own site each; that of b can be told to pull from that of a. */
const OF_A: BackupStore = { name: "vault-a", type: "pbs", access: { a: { storage: "pbs-a", readAs: {} } } };
const API: NonNullable<BackupStore["api"]> = {
  url: "https://pbs-b:8007",
  credentials: { kind: "token", tokenId: "mover@pbs!move", secret: { kind: "environment", variable: "X" } },
  tls: { verify: true },
  connectTimeoutMs: 1,
  requestTimeoutMs: 1,
};
const OF_B: BackupStore = { name: "vault-b", type: "pbs", access: { b: { storage: "pbs-b", readAs: { a: "arrivals" } } }, api: API };

const path = (changes: Partial<MigrationPath> = {}): MigrationPath => ({
  sourceCluster: "a",
  targetCluster: "b",
  method: "backup-restore",
  compression: true,
  encryptionRequired: false,
  ...changes,
});

function plan(changes: {
  paths?: MigrationPath[];
  method?: Federation["migration"]["defaultMethod"];
  stores?: BackupStore[];
  more?: Partial<Federation>;
}) {
  const { paths = [], method, stores = [NFS], more = {} } = changes;
  return planRoute(
    federation({ migration: { preMigrationChecks: [], paths, defaultMethod: method }, backupStores: stores, ...more }),
    "a",
    "b",
  );
}

describe("a route", () => {
  it("follows the declared path", () => {
    expect(plan({ paths: [path()] })).toEqual({
      ok: true,
      route: {
        source: "a",
        target: "b",
        method: "backup-restore",
        compression: true,
        store: { name: "nas", type: "nfs", writeStorage: "nas", readStorage: "nas" },
        links: [],
      },
    });
  });

  it.each<[string, BackupStore, Partial<MigrationPath>, boolean | undefined]>([
    ["is warm on a store that takes only what changed", PBS, {}, true],
    ["is cold there where the path says so", PBS, { warm: false }, undefined],
    ["is cold on a directory, which takes everything each time", NFS, { warm: true }, undefined],
  ])("%s", (_what, store, changes, warm) => {
    const result = plan({ paths: [path(changes)], stores: [store] });
    expect(result).toMatchObject({ ok: true });
    expect(result.ok && result.route.warm).toBe(warm);
  });

  it("restores live where the path asks for it, and nowhere else", () => {
    const live = plan({ paths: [path({ liveRestore: true })], stores: [PBS] });
    expect(live.ok && live.route.live).toBe(true);
    const plain = plan({ paths: [path()], stores: [PBS] });
    expect(plain.ok && plain.route.live).toBeUndefined();
  });

  it.each<[string, BackupStore[], string | undefined]>([
    ["by the server of the store that both use", [{ ...PBS, api: API }], "vault"],
    ["by the server that the target restores from", [{ ...OF_A, api: API }, OF_B], "vault-b"],
    ["by nobody where the store has no API", [PBS], undefined],
  ])("has what is restored live verified %s", (_what, stores, verifiedBy) => {
    const live = plan({ paths: [path({ liveRestore: true })], stores });
    expect(live.ok && live.route.verifiedBy).toBe(verifiedBy);
    const plain = plan({ paths: [path()], stores });
    expect(plain.ok && plain.route.verifiedBy).toBeUndefined();
  });

  it.each<[string, string | undefined, "source" | "target" | undefined]>([
    ["beside the source", "a", "source"],
    ["beside the target", "b", "target"],
    ["anywhere else", "c", undefined],
    ["nobody says where", undefined, undefined],
  ])("knows that the store stands %s", (_where, site, beside) => {
    const result = plan({ paths: [path()], stores: [{ ...NFS, ...(site === undefined ? {} : { site }) }] });
    expect(result.ok && result.route.store?.beside).toBe(beside);
  });

  it("keeps the source as long as the path says, else the policies", () => {
    const migration = { preMigrationChecks: [], paths: [path({ keepSourceMs: 5 })], keepSourceMs: 7 };
    expect(plan({ more: { migration } })).toMatchObject({ route: { keepSourceMs: 5 } });
    expect(plan({ more: { migration: { ...migration, paths: [path()] } } })).toMatchObject({ route: { keepSourceMs: 7 } });
  });

  it("names every link on the way, so that moves can share them", () => {
    const network = {
      bridges: [],
      networks: {},
      uplinkBitsPerSecond: 5,
      crossConnects: [{ targetCluster: "b", bandwidthBitsPerSecond: 7 }],
    };
    const result = plan({
      paths: [path({ maxBandwidthBitsPerSecond: 9 })],
      more: { clusters: [cluster("a", { network }), cluster("b", { network: { ...network, crossConnects: [] } })] },
    });
    expect(result.ok && result.route.links?.map(({ key, bitsPerSecond }) => `${key}: ${bitsPerSecond}`)).toEqual([
      "path a > b: 9",
      "cross-connect a - b: 7",
      "uplink a: 5",
      "uplink b: 5",
    ]);
  });

  it("follows the default method where no path is declared, and compresses", () => {
    expect(plan({ method: "backup-restore" })).toMatchObject({ ok: true, route: { compression: true } });
  });

  it.each(["storage", "offline"] as const)("by %s needs no store", (method) => {
    const result = plan({ paths: [path({ method, warm: true })], stores: [] });
    expect(result).toEqual({ ok: true, route: { source: "a", target: "b", method, compression: true, links: [] } });
  });

  describe("between sites with a backup server each", () => {
    const store = {
      name: "vault-a",
      type: "pbs",
      writeStorage: "pbs-a",
      readStorage: "arrivals",
      sync: { store: "vault-b", remote: "vault-a" },
    };

    it("writes to the source's store and reads what the target's pulls from it, warm", () => {
      const result = plan({ paths: [path()], stores: [OF_A, OF_B] });
      expect(result).toMatchObject({ ok: true, route: { warm: true } });
      expect(result.ok && result.route.store).toEqual(store);
    });

    it.each(["vault-a", "vault-b"])("is found by the name of %s, though a shared store is there", (backupStore) => {
      const result = plan({ paths: [path({ backupStore })], stores: [OF_A, OF_B, NFS] });
      expect(result.ok && result.route.store).toEqual(store);
    });

    it("takes a shared store before it syncs", () => {
      const result = plan({ paths: [path()], stores: [OF_A, OF_B, NFS] });
      expect(result.ok && result.route.store?.name).toBe("nas");
    });

    it.each<[string, BackupStore[]]>([
      ["the target's server cannot be told", [OF_A, { ...OF_B, api: undefined }]],
      ["the target does not read the source's archives", [OF_A, { ...OF_B, access: { b: { storage: "pbs-b", readAs: {} } } }]],
      ["the source's store is a directory", [{ ...OF_A, type: "nfs" }, OF_B]],
    ])("is refused when %s", (_why, stores) => {
      expect(plan({ paths: [path()], stores })).toMatchObject({
        ok: false,
        reason: expect.stringMatching(/no backup store is reached by both a and b.*pull from that of a \(api, and storages\.b\.from\.a\)/),
      });
    });

    it("is refused when several pairs would do and none is named", () => {
      const stores = [OF_A, OF_B, { ...OF_B, name: "vault-c" }];
      expect(plan({ paths: [path()], stores })).toMatchObject({
        ok: false,
        reason: expect.stringMatching(/several pairs of backup stores \(vault-a and vault-b; vault-a and vault-c\): name one/),
      });
      expect(plan({ paths: [path({ backupStore: "vault-c" })], stores })).toMatchObject({ ok: true });
    });
  });

  it("obeys the path before the default", () => {
    expect(plan({ paths: [path({ compression: false })], method: "storage" })).toMatchObject({
      ok: true,
      route: { compression: false, method: "backup-restore" },
    });
  });

  it("is not the one of the way back", () => {
    expect(plan({ paths: [path({ sourceCluster: "b", targetCluster: "a" })] })).toMatchObject({ ok: false });
  });

  it.each<[string, BackupStore[], string | undefined, { name: string; writeStorage: string; readStorage: string }]>([
    ["the only store both reach", [ONLY_A, NFS], undefined, { name: "nas", writeStorage: "nas", readStorage: "nas" }],
    ["the named one of several", [NFS, PBS], "vault", { name: "vault", writeStorage: "pbs-a", readStorage: "pbs-of-a" }],
    [
      "the id under which the target sees the source's archives",
      [PBS],
      undefined,
      { name: "vault", writeStorage: "pbs-a", readStorage: "pbs-of-a" },
    ],
  ])("goes over %s", (_which, stores, backupStore, store) => {
    expect(plan({ paths: [path({ backupStore })], stores })).toMatchObject({ ok: true, route: { store } });
  });

  it("reads the archives of a cluster without an id of its own under the target's", () => {
    const both = federation({ backupStores: [PBS], migration: { preMigrationChecks: [], paths: [], defaultMethod: "backup-restore" } });
    expect(planRoute(both, "b", "a")).toMatchObject({ ok: true, route: { store: { writeStorage: "pbs-b", readStorage: "pbs-a" } } });
  });

  describe("is as fast as its slowest part", () => {
    const MBIT = 1_000_000;
    const link = (targetCluster: string, bandwidthBitsPerSecond?: number) => ({ targetCluster, bandwidthBitsPerSecond });
    const network = (changes: { uplinkBitsPerSecond?: number; crossConnects?: ReturnType<typeof link>[] }) => ({
      bridges: [],
      networks: {},
      crossConnects: [],
      ...changes,
    });
    it.each<[string, number | undefined, ReturnType<typeof network>, ReturnType<typeof network>, number | undefined, RegExp | undefined]>([
      ["nothing is declared", undefined, network({}), network({}), undefined, undefined],
      ["the path", 100 * MBIT, network({ uplinkBitsPerSecond: 500 * MBIT }), network({}), 100 * MBIT, /max_bandwidth/],
      [
        "the link of the source",
        900 * MBIT,
        network({ crossConnects: [link("b", 200 * MBIT)] }),
        network({ crossConnects: [link("a", 50 * MBIT)] }),
        200 * MBIT,
        /cross-connect/,
      ],
      [
        "the link of the target, where the source declares none",
        undefined,
        network({}),
        network({ crossConnects: [link("a", 50 * MBIT)] }),
        50 * MBIT,
        /cross-connect/,
      ],
      ["a link to somebody else counts nothing", undefined, network({ crossConnects: [link("c", 1)] }), network({}), undefined, undefined],
      [
        "the source's uplink",
        900 * MBIT,
        network({ uplinkBitsPerSecond: 10 * MBIT }),
        network({ uplinkBitsPerSecond: 20 * MBIT }),
        10 * MBIT,
        /uplink of a/,
      ],
      [
        "the target's uplink",
        undefined,
        network({ uplinkBitsPerSecond: 30 * MBIT }),
        network({ uplinkBitsPerSecond: 20 * MBIT }),
        20 * MBIT,
        /uplink of b/,
      ],
      ["of equals the path is named", 10 * MBIT, network({ uplinkBitsPerSecond: 10 * MBIT }), network({}), 10 * MBIT, /max_bandwidth/],
    ])("(%s)", (_which, max, a, b, expected, limitedBy) => {
      const result = plan({
        paths: [path({ maxBandwidthBitsPerSecond: max })],
        more: { clusters: [cluster("a", { network: a }), cluster("b", { network: b })] },
      });
      if (!result.ok) throw new Error(result.reason);
      expect(result.route.bitsPerSecond).toBe(expected);
      if (limitedBy) expect(result.route.limitedBy).toMatch(limitedBy);
      else expect(result.route).not.toHaveProperty("limitedBy");
    });
  });
});

describe("a route is refused", () => {
  it.each<[string, Parameters<typeof plan>[0], RegExp]>([
    [
      "without path and default method",
      {},
      /no migration path is allowed from a to b: add it to migration_policies.paths or set migration_policies.default_method/,
    ],
    [
      "when it must be encrypted and Proxmox sends it from node to node",
      { paths: [path({ method: "storage", encryptionRequired: true })] },
      /requires encryption, and method storage leaves the target's disks as they are: use method: backup-restore/,
    ],
    ["without a store", { paths: [path()], stores: [] }, /no backup store is reached by both a and b: add one to backup_stores/],
    ["with a store that one side does not reach", { paths: [path()], stores: [ONLY_A] }, /no backup store is reached by both a and b/],
    [
      "with a named store that one side does not reach",
      { paths: [path({ backupStore: "attic" })], stores: [ONLY_A, NFS] },
      /backup store attic is not reached by both a and b/,
    ],
    [
      "with several stores and none named",
      { paths: [path()], stores: [NFS, PBS] },
      /several backup stores.*\(nas, vault\): name one as backup_store/,
    ],
    [
      "when it must be encrypted and the store cannot",
      { paths: [path({ encryptionRequired: true })], stores: [NFS] },
      /requires encryption.*nas \(nfs\) cannot encrypt: use a PBS store/,
    ],
    [
      "when it asks for a live restore from a directory",
      { paths: [path({ liveRestore: true })], stores: [NFS] },
      /live_restore, which only a Proxmox Backup Server can serve, and backup store nas is of type nfs: remove live_restore/,
    ],
    [
      "when it asks for a live restore by a method that restores nothing",
      { paths: [path({ liveRestore: true, method: "storage" })], stores: [PBS] },
      /live_restore.* method storage has no store/,
    ],
  ])("%s", (_why, changes, reason) => {
    const result = plan(changes);
    expect(result).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
  });
});
