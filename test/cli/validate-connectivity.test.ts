import { describe, expect, it } from "vitest";
import { compareArchives } from "../../src/cli/validate/connectivity/archives";
import type { EndpointProbe } from "../../src/cli/validate/connectivity/endpoint";
import { endpointFindings } from "../../src/cli/validate/connectivity/endpoints";
import { requirementsOf } from "../../src/cli/validate/connectivity/needs";
import { storeFindings } from "../../src/cli/validate/connectivity/stores";
import type { BackupStore } from "../../src/config";
import type { StorageDefinition, Volume } from "../../src/proxmox";
import { cluster, federation } from "../support/fake-federation";

const PIN = Array(32).fill("AA").join(":");
const OTHER = Array(32).fill("BB").join(":");
const NOW_MS = Date.parse("2026-01-01T00:00:00Z");
const DAY_MS = 86_400_000;

function reached(changes: Partial<Extract<EndpointProbe, { reachable: true }>> = {}): EndpointProbe {
  return {
    url: "https://a1:8006",
    reachable: true,
    roundTripMs: 2,
    fingerprint: PIN,
    certificateExpiresMs: NOW_MS + 400 * DAY_MS,
    clockSkewMs: 300,
    ...changes,
  };
}

describe("an endpoint", () => {
  const findings = (tls: { fingerprint?: string; verify?: boolean }, ...probes: EndpointProbe[]) =>
    endpointFindings("a", { verify: true, ...tls }, probes, NOW_MS).map(({ severity, message }) => `${severity}: ${message}`);

  it("with the pinned certificate and the right time is fine, whoever signed it", () => {
    expect(findings({ fingerprint: PIN }, reached({ distrust: "DEPTH_ZERO_SELF_SIGNED_CERT" }))).toEqual([]);
  });

  it("may show any of the pinned certificates", () => {
    expect(findings({ fingerprint: `${OTHER}, ${PIN}` }, reached())).toEqual([]);
  });

  it.each<[string, { fingerprint?: string; verify?: boolean }, EndpointProbe, string]>([
    ["another certificate", { fingerprint: OTHER }, reached(), "error: https://a1:8006 shows another certificate than the pinned one"],
    [
      "an authority nobody knows",
      {},
      reached({ distrust: "SELF_SIGNED" }),
      "error: https://a1:8006 shows a certificate that is not trusted (SELF_SIGNED)",
    ],
    [
      "a certificate about to expire",
      {},
      reached({ certificateExpiresMs: NOW_MS + 3 * DAY_MS }),
      "warning: the certificate of https://a1:8006 expires in 3 d",
    ],
    [
      "an expired certificate",
      {},
      reached({ certificateExpiresMs: NOW_MS - DAY_MS }),
      "warning: the certificate of https://a1:8006 has expired",
    ],
    ["a clock that is ahead", {}, reached({ clockSkewMs: 90_000 }), "warning: the clock of https://a1:8006 is 1 min ahead of the one here"],
    ["a clock that is behind", {}, reached({ clockSkewMs: -7_000 }), "warning: the clock of https://a1:8006 is 7 s behind the one here"],
    [
      "no answer",
      {},
      { url: "https://a1:8006", reachable: false, reason: "no answer within 2 s" },
      "error: https://a1:8006 cannot be reached: no answer within 2 s",
    ],
  ])("with %s is found", (_, tls, probe, expected) => {
    expect(findings(tls, probe)).toEqual([expected]);
  });

  it("that is not verified on purpose is not told again", () => {
    expect(findings({ verify: false }, reached({ distrust: "SELF_SIGNED" }))).toEqual([]);
  });

  it("that is one of several that are down is a warning only", () => {
    expect(findings({ fingerprint: PIN }, reached(), { url: "https://a2:8006", reachable: false, reason: "refused" })).toEqual([
      "warning: https://a2:8006 cannot be reached: refused",
    ]);
  });

  it("far from another one shows a stretched cluster", () => {
    const far = reached({ url: "https://a2:8006", roundTripMs: 30 });
    expect(findings({ fingerprint: PIN }, far, reached())).toEqual([
      expect.stringContaining("https://a1:8006 and https://a2:8006 are at least 28 ms apart"),
    ]);
    expect(findings({ fingerprint: PIN }, reached({ url: "https://a2:8006", roundTripMs: 11.9 }), reached())).toEqual([]);
  });
});

describe("requirements", () => {
  const texts = (changes: Parameters<typeof cluster>[1], major = 9) =>
    requirementsOf(
      federation({
        resourcePools: [
          { name: "web", clusters: ["a"], limits: {}, placementPolicy: { strategy: "balanced", clusterWeights: {}, rules: [] } },
        ],
      }),
      cluster("a", changes),
      major,
    ).map(({ severity, privilege, paths }) => `${severity} ${privilege} ${paths.join("|")}`);

  it("are those of guests, storages, bridges, pool and nodes", () => {
    const found = texts({ storage: { primary: "nvme", classes: { fast: "nvme" }, backends: [], replicationTargets: [] } });
    expect(found).toEqual(
      expect.arrayContaining([
        "error VM.Allocate /vms|/pool/web",
        "error Datastore.AllocateSpace /storage/nvme",
        "error Datastore.Audit /storage/nvme",
        "error SDN.Use /sdn/zones/localnetwork/vmbr0",
        "error Pool.Allocate /pool/web",
        "error Sys.Audit /nodes",
      ]),
    );
    expect(found.filter((text) => text.includes("/storage/"))).toHaveLength(2);
  });

  it("know the guest agent's privilege of each version", () => {
    expect(texts({}, 8)).toContain("warning VM.Monitor /vms|/pool/web");
    expect(texts({}, 9)).toContain("warning VM.GuestAgent.Audit /vms|/pool/web");
  });

  it("ask for the nodes' size only where it is not declared", () => {
    const declared = { name: "a1", cores: 8, memoryBytes: 1, status: "active" as const, tags: [] };
    expect(texts({ nodes: [declared] })).toContain("warning Sys.Audit /nodes");
    expect(texts({ nodes: [{ ...declared, cores: undefined }] })).toContain("error Sys.Audit /nodes");
  });
});

describe("a backup store", () => {
  const definition = (storage: string, raw: Record<string, unknown>, type = "pbs"): StorageDefinition => ({
    storage,
    type,
    content: ["backup"],
    shared: true,
    raw: { "encryption-key": "1", ...raw },
  });
  const store: BackupStore = {
    name: "vault",
    type: "pbs",
    access: { a: { storage: "own", readAs: { b: "theirs" } }, b: { storage: "own", readAs: { a: "theirs" } } },
  };
  const findings = (a: StorageDefinition[], b: StorageDefinition[], stores = [store]) =>
    storeFindings(federation({ backupStores: stores }), new Map(Object.entries({ a, b }))).map(
      ({ severity, cluster: id, message }) => `${severity} ${id}: ${message}`,
    );
  const own = (namespace: string) => definition("own", { datastore: "d", namespace });
  const theirs = (namespace: string) => definition("theirs", { datastore: "d", namespace });

  it("is one place when datastore and namespace agree, whatever the server is called", () => {
    const a = [own("a"), { ...theirs("b"), raw: { ...theirs("b").raw, server: "10.0.0.1" } }];
    expect(findings(a, [own("b"), theirs("a")])).toEqual([]);
  });

  it("is not one place when the reader looks into another namespace", () => {
    expect(findings([own("a"), theirs("a")], [own("b"), theirs("a")])).toEqual([
      "error a: storage theirs is not where b writes its archives (own there): its namespace is a, there it is b",
    ]);
  });

  it("has to be of the declared type, and encrypted", () => {
    const plain = { ...own("a"), raw: { datastore: "d", namespace: "a" } };
    expect(findings([plain], [definition("own", { export: "/x" }, "nfs")])).toEqual([
      "warning a: archives in storage own are not encrypted: it has no client key",
      "error b: storage own of backup store vault is of type nfs, not pbs",
    ]);
  });

  describe("of files", () => {
    const archive = (vmid: number, sizeBytes: number, createdAtSeconds = 0): Volume => ({
      volid: `own:backup/vzdump-qemu-${vmid}-2026_01_05-02_00_00.vma.zst`,
      format: "vma.zst",
      sizeBytes,
      createdAtSeconds,
      protected: false,
    });
    const found = (type: "dir" | "nfs", a?: Volume[], b?: Volume[]) => {
      const disk: BackupStore = { name: "disk", type, access: { a: { storage: "own", readAs: {} }, b: { storage: "own", readAs: {} } } };
      const own = definition("own", type === "nfs" ? { export: "/x" } : {}, type);
      const listed = Object.entries({ a, b }).flatMap(([id, volumes]) => (volumes ? [[id, new Map([["own", volumes]])] as const] : []));
      return storeFindings(federation({ backupStores: [disk] }), new Map(Object.entries({ a: [own], b: [own] })), new Map(listed)).map(
        ({ severity, cluster: id, message }) => `${severity} ${id}: ${message}`,
      );
    };

    it.each(["dir", "nfs"] as const)("%s is proven to be one place by an archive that both list, whatever their time zones", (type) => {
      expect(found(type, [archive(100, 7), archive(101, 8)], [archive(100, 7, 3600)])).toEqual([]);
    });

    it.each(["dir", "nfs"] as const)("%s is two places when an archive has another length there", (type) => {
      expect(found(type, [archive(100, 7)], [archive(100, 9)])).toEqual([
        "error a: storage own is not where b writes its archives (own there): backup/vzdump-qemu-100-2026_01_05-02_00_00.vma.zst has 7 bytes, there 9",
        "error b: storage own is not where a writes its archives (own there): backup/vzdump-qemu-100-2026_01_05-02_00_00.vma.zst has 9 bytes, there 7",
      ]);
    });

    it.each(["dir", "nfs"] as const)("%s with nothing in common is warned about", (type) => {
      const warning = expect.stringMatching(
        /^warning [ab]: storage own is not proven to be where [ab] writes.*they have no archive in common/,
      );
      expect(found(type, [archive(100, 7)], [archive(200, 7)])).toEqual([warning, warning]);
    });

    it.each<[string, Volume[] | undefined, Volume[] | undefined]>([
      ["empty", [], []],
      ["shown to one side only", [archive(100, 7)], []],
      ["listed by one side only", [archive(100, 7)], undefined],
    ])("that are %s prove nothing: of a directory that is a warning", (_what, a, b) => {
      const warning = expect.stringMatching(
        /^warning [ab]: storage own is not proven to be .*nobody can tell that of two storages of type dir/,
      );
      expect(found("dir", a, b)).toEqual([warning, warning]);
      expect(found("nfs", a, b)).toEqual([]);
    });

    it("are told apart by every archive that both list", () => {
      expect(compareArchives([archive(100, 7), archive(101, 8)], [archive(100, 7), archive(101, 9)]).kind).toBe("different");
    });
  });

  it("is not judged where a cluster does not show its definitions", () => {
    expect(findings([], [own("b"), theirs("a")])).toEqual([]);
  });
});
