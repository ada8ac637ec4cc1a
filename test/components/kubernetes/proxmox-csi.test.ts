import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse, parseDocument } from "yaml";
import { ProxmoxCsi, type ProxmoxCsiArgs } from "../../../src/components/kubernetes";
import { runProgram } from "./registered";

const EXAMPLE = join(__dirname, "../../../examples/zoned-storage/federation.yaml");

describe("ProxmoxCsi", () => {
  let directory: string;
  let file: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "proxmox-federation-"));
    file = join(directory, "federation.yaml");
    vi.stubEnv("AMSTERDAM_TOKEN", "secret-of-amsterdam");
    vi.stubEnv("FRANKFURT_TOKEN", "secret-of-frankfurt");
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  });

  const declare = async (args: ProxmoxCsiArgs = {}, changes: [path: (string | number)[], value: unknown][] = []) => {
    const document = parseDocument(await readFile(EXAMPLE, "utf8"));
    for (const [path, value] of changes) document.setIn(path, value);
    await writeFile(file, document.toString());
    return runProgram({ "proxmox-federation:file": file }, () => new ProxmoxCsi("csi", args));
  };
  const configOf = ({ ofType }: Awaited<ReturnType<typeof declare>>) =>
    parse((ofType(":Secret")[0]!.inputs.stringData as Record<string, string>)["config.yaml"]!) as { clusters: Record<string, unknown>[] };

  it("writes the plugin's configuration as its code reads it, as a secret", async () => {
    const program = await declare();
    const [secret] = program.ofType(":Secret");
    expect(secret).toMatchObject({ secrets: ["stringData"], inputs: { immutable: true, metadata: { namespace: "csi-proxmox" } } });
    expect(configOf(program)).toEqual({
      clusters: [
        {
          url: "https://pve.amsterdam.example:8006/api2/json",
          insecure: false,
          token_id: "iac@pve!federation",
          token_secret: "secret-of-amsterdam",
          region: "eu-ams",
        },
        {
          url: "https://pve.frankfurt.example:8006/api2/json",
          insecure: false,
          token_id: "iac@pve!federation",
          token_secret: "secret-of-frankfurt",
          region: "eu-fra",
        },
      ],
    });
    const elsewhere = program.registered.filter((resource) => resource !== secret);
    expect(JSON.stringify(elsewhere)).not.toContain("secret-of");
  });

  it("reads token id and secret from the files that the plugin's cloud-config names, and writes what they say", async () => {
    await writeFile(join(directory, "ams.id"), "csi@pve!from-file\n");
    await writeFile(join(directory, "ams.secret"), "secret-of-the-file\n");
    const connection = { api_url: "https://pve.amsterdam.example:8006", token_id_file: "ams.id", token_secret_file: "ams.secret" };
    const program = await declare({ clusters: ["amsterdam"] }, [[["clusters", 0, "connection"], connection]]);
    expect(configOf(program).clusters).toEqual([
      {
        url: "https://pve.amsterdam.example:8006/api2/json",
        insecure: false,
        token_id: "csi@pve!from-file",
        token_secret: "secret-of-the-file",
        region: "eu-ams",
      },
    ]);
    const [secret] = program.ofType(":Secret");
    expect(JSON.stringify(program.registered.filter((resource) => resource !== secret))).not.toContain("secret-of-the-file");
  });

  it("takes tokens of the plugin's own, its features, and clusters whose certificate it does not check", async () => {
    const token = { tokenId: "csi@pve!plugin", tokenSecret: pulumi.output("secret-of-plugin") };
    const program = await declare({ clusters: ["amsterdam"], credentials: { amsterdam: token }, insecure: ["amsterdam"] }, [
      [["features"], { controllerVmID: 9000 }],
    ]);
    expect(configOf(program)).toEqual({
      features: { provider: "default", controllerVmID: 9000 },
      clusters: [
        {
          url: "https://pve.amsterdam.example:8006/api2/json",
          insecure: true,
          token_id: "csi@pve!plugin",
          token_secret: "secret-of-plugin",
          region: "eu-ams",
        },
      ],
    });
  });

  it("warns that the plugin cannot check a pinned certificate", async () => {
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue(undefined);
    const fingerprint = Array.from({ length: 32 }, () => "AB").join(":");
    await declare({}, [[["clusters", 0, "connection", "fingerprint"], fingerprint]]);
    expect(warn.mock.calls.map(([message]) => message)).toEqual([expect.stringMatching(/accept cluster amsterdam only with/)]);
    warn.mockRestore();
  });

  it("installs the plugin by its chart with strict topology, also beside values of the user", async () => {
    const provisioner = { args: ["--worker-threads=4"], resources: {} };
    const { ofType } = await declare({ chart: { version: "0.5.8", values: { replicaCount: 2, controller: { provisioner } } } });
    expect(ofType(":Release")[0]?.inputs).toMatchObject({
      chart: "oci://ghcr.io/sergelogvinov/charts/proxmox-csi-plugin",
      version: "0.5.8",
      namespace: "csi-proxmox",
      values: {
        replicaCount: 2,
        existingConfigSecret: "csi",
        existingConfigSecretKey: "config.yaml",
        controller: { provisioner: { args: ["--worker-threads=4", "--strict-topology"], resources: {} } },
      },
    });
    expect((await declare({ chart: false })).ofType(":Release")).toEqual([]);
  });

  it("takes the chart from elsewhere on request, in the version that is there", async () => {
    const { ofType } = await declare({ chart: { source: "./charts/proxmox-csi-plugin-0.5.9.tgz" } });
    expect(ofType(":Release")[0]?.inputs).toMatchObject({ chart: "./charts/proxmox-csi-plugin-0.5.9.tgz", namespace: "csi-proxmox" });
    expect(ofType(":Release")[0]?.inputs).not.toHaveProperty("version");
  });

  it("makes a StorageClass per storage class and per name that the storage has", async () => {
    const { ofType, result } = await declare({}, [[["clusters", 1, "storage", "classes", "fast"], "zfs"]]);
    expect(result.storageClasses).toEqual(["proxmox-common", "proxmox-fast-local-lvm", "proxmox-fast-zfs"]);
    const region = (name: string) => ({ matchLabelExpressions: [{ key: "topology.kubernetes.io/region", values: [name] }] });
    const classes = new Map(ofType(":StorageClass").map(({ inputs }) => [(inputs.metadata as { name: string }).name, inputs]));
    expect(classes.get("proxmox-common")).toMatchObject({
      provisioner: "csi.proxmox.sinextra.dev",
      parameters: { storage: "nas", "csi.storage.k8s.io/fstype": "ext4" },
      reclaimPolicy: "Retain",
      volumeBindingMode: "WaitForFirstConsumer",
      allowVolumeExpansion: true,
      allowedTopologies: [region("eu-ams"), region("eu-fra")],
    });
    expect(classes.get("proxmox-fast-zfs")).toMatchObject({ parameters: { storage: "zfs" }, allowedTopologies: [region("eu-fra")] });
  });

  it("narrows a StorageClass to zones and takes the plugin's parameters", async () => {
    const { ofType } = await declare({
      storageClasses: {
        db: {
          storageClass: "fast",
          reclaimPolicy: "Delete",
          fsType: "xfs",
          cache: "none",
          ssd: true,
          mountOptions: ["noatime"],
          zones: { amsterdam: ["ams-1"] },
          default: true,
        },
      },
    });
    expect(ofType(":StorageClass")[0]?.inputs).toMatchObject({
      metadata: { name: "db", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      parameters: { storage: "local-lvm", "csi.storage.k8s.io/fstype": "xfs", cache: "none", ssd: "true" },
      reclaimPolicy: "Delete",
      mountOptions: ["noatime"],
      allowedTopologies: [
        {
          matchLabelExpressions: [
            { key: "topology.kubernetes.io/region", values: ["eu-ams"] },
            { key: "topology.kubernetes.io/zone", values: ["ams-1"] },
          ],
        },
        { matchLabelExpressions: [{ key: "topology.kubernetes.io/region", values: ["eu-fra"] }] },
      ],
    });
  });

  it.each<[string, ProxmoxCsiArgs, RegExp]>([
    ["an unknown cluster", { clusters: ["berlin"] }, /cluster berlin is not in federation\.yaml \(known: amsterdam, frankfurt\)/],
    ["an unknown storage class", { storageClasses: { db: { storageClass: "quick" } } }, /has storage class quick/],
    ["a name that is none", { storageClasses: { My_DB: { storageClass: "fast" } } }, /"My_DB" is no name for a StorageClass/],
  ])("refuses %s", async (_case, args, message) => {
    await expect(declare(args)).rejects.toThrow(message);
  });

  it("says where the file is looked for", async () => {
    const missing = runProgram({ "proxmox-federation:file": join(directory, "none.yaml") }, () => new ProxmoxCsi("csi"));
    await expect(missing).rejects.toThrow(/none\.yaml cannot be read \(ENOENT\).*pulumi config set proxmox-federation:file/);
  });
});
