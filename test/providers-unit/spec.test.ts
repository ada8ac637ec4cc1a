import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { diskSchema } from "../../src/providers/disk/spec";
import { poolDefinition, resourcePoolSchema } from "../../src/providers/pool/spec";
import { propertyPath, toFailures } from "../../src/providers/schema";
import { vmSchema } from "../../src/providers/vm/spec";

const VM = { name: "web", cores: 2, memory: "2GiB" };

function failuresOf(schema: z.ZodType, given: unknown) {
  const parsed = schema.safeParse(given);
  return parsed.success ? [] : toFailures(parsed.error);
}

describe("a VM's arguments", () => {
  it("have defaults that every node understands", () => {
    expect(vmSchema.parse(VM)).toEqual({
      name: "web",
      cores: 2,
      sockets: 1,
      cpuType: "x86-64-v2-AES",
      memory: 2 * 1024 ** 3,
      disks: [],
      networks: [],
      tags: [],
      description: "",
      onBoot: true,
      agent: false,
      osType: "l26",
      scsiController: "virtio-scsi-single",
      running: true,
      residency: [],
      affinity: [],
      antiAffinity: [],
      rules: [],
      shutdown: { timeoutSeconds: 180, force: false },
      agentTimeoutSeconds: 300,
    });
  });

  it("keep a MAC address as Proxmox writes it", () => {
    expect(vmSchema.parse({ ...VM, networks: [{ network: "lan", mac: "bc:24:11:00:00:0f" }] }).networks[0]).toEqual({
      network: "lan",
      model: "virtio",
      mac: "BC:24:11:00:00:0F",
    });
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ["no cores", { cores: 0 }, "cores", /./],
    ["half a core", { cores: 1.5 }, "cores", /./],
    ["cores as a text", { cores: "2" }, "cores", /./],
    ["no memory", { memory: undefined }, "memory", /./],
    ["memory of no unit", { memory: "2" }, "memory", /write it like "32GiB"/],
    ["memory of an ambiguous unit", { memory: "2G" }, "memory", /write it like "32GiB"/],
    ["negative memory", { memory: -1 }, "memory", /not a positive size/],
    ["memory of half a byte", { memory: 1.5 }, "memory", /not a positive size/],
    ["a size beyond counting", { disks: [{ size: 2 ** 60 }] }, "disks[0].size", /not a positive size/],
    ["a disk without size", { disks: [{ size: "1GiB" }, {}] }, "disks[1].size", /./],
    ["a disk of no size", { disks: [{ size: 0 }] }, "disks[0].size", /not a positive size/],
    ["an unknown cache", { disks: [{ size: "1GiB", cache: "fast" }] }, "disks[0].cache", /./],
    ["too many disks", { disks: Array.from({ length: 17 }, () => ({ size: "1GiB" })) }, "disks", /at most 16 disks/],
    ["a misspelt property", { core: 2 }, "", /core/],
    ["a misspelt property of a disk", { disks: [{ size: "1GiB", sise: 2 }] }, "disks[0]", /sise/],
    ["a MAC address that is none", { networks: [{ network: "lan", mac: "bc:24:11" }] }, "networks[0].mac", /MAC address/],
    ["an unknown model", { networks: [{ network: "lan", model: "ne2k" }] }, "networks[0].model", /./],
    ["a card without network", { networks: [{}] }, "networks[0].network", /./],
    ["a tag that Proxmox refuses", { tags: ["ok", "a b"] }, "tags[1]", /Proxmox tag/],
    ["a tag in capitals", { tags: ["Web"] }, "tags[0]", /lower case/],
    ["a tag that begins with a dash", { tags: ["-x"] }, "tags[0]", /Proxmox tag/],
    ["a name that is no DNS name", { name: "web_1" }, "name", /DNS name/],
    ["a name that ends with a dash", { name: "web-" }, "name", /DNS name/],
    ["a description that leaves no room for the mark", { description: "x".repeat(4097) }, "description", /./],
    ["an image without a disk", { image: "debian" }, "disks", /an image needs a first disk/],
    ["EFI firmware", { bios: "ovmf" }, "bios", /not create: use seabios/],
    ["a rule of no kind", { rules: [{ type: "near", target: "tag", operator: "must", value: "x" }] }, "rules[0].type", /./],
    [
      "a weight beyond 100",
      { rules: [{ type: "affinity", target: "tag", operator: "should", value: "x", weight: 101 }] },
      "rules[0].weight",
      /./,
    ],
    ["a start order of zero", { startOrder: 0 }, "startOrder", /./],
    ["no time to shut down", { shutdown: { timeoutSeconds: 0 } }, "shutdown.timeoutSeconds", /./],
    ["a pin that names something else", { pin: { host: "a1" } }, "pin", /host/],
  ])("are refused with the property's name: %s", (_what, change, property, reason) => {
    const failures = failuresOf(vmSchema, { ...VM, ...change });
    expect(failures.map((failure) => failure.property)).toEqual([property]);
    expect(failures[0]?.reason).toMatch(reason);
  });

  it("are refused with all findings at once", () => {
    expect(failuresOf(vmSchema, { ...VM, cores: 0, memory: "x", tags: ["A"] }).map((failure) => failure.property)).toEqual([
      "cores",
      "memory",
      "tags[0]",
    ]);
  });
});

describe("a disk's arguments", () => {
  it("need a size, and take a number of bytes or a text", () => {
    expect(diskSchema.parse({ name: "data", size: 4_194_304 }).size).toBe(4_194_304);
    expect(diskSchema.parse({ name: "data", size: "4KiB" }).size).toBe(4096);
    expect(failuresOf(diskSchema, { name: "data" }).map((failure) => failure.property)).toEqual(["size"]);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ size: "4" }, "size"],
    [{ name: "my data" }, "name"],
    [{ attachTo: { cluster: "a", node: "a1" } }, "attachTo.vmid"],
    [{ cache: "none" }, ""],
  ])("are refused with the property's name: %j", (change, property) => {
    expect(failuresOf(diskSchema, { name: "data", size: "1GiB", ...change }).map((failure) => failure.property)).toEqual([property]);
  });
});

describe("a pool's arguments", () => {
  it("may be a name alone, with the rest from federation.yaml", () => {
    expect(resourcePoolSchema.parse({ name: "prod" })).toMatchObject({ name: "prod" });
    expect(resourcePoolSchema.parse({ name: "prod" }).clusters).toBeUndefined();
  });

  it("define a pool with an ordinary policy and no limits", () => {
    expect(poolDefinition.parse({ name: "prod", clusters: ["a"] })).toEqual({
      name: "prod",
      clusters: ["a"],
      limits: {},
      placementPolicy: { strategy: "balanced", clusterWeights: {}, rules: [] },
    });
    expect(poolDefinition.parse({ name: "prod", clusters: ["a"], limits: { maxMemory: "8GiB", maxVms: 0 } }).limits).toEqual({
      maxMemory: 8 * 1024 ** 3,
      maxVms: 0,
    });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ name: "1prod" }, "name"],
    [{ name: "my pool" }, "name"],
    [{ clusters: [] }, "clusters"],
    [{ limits: { maxVms: -1 } }, "limits.maxVms"],
    [{ limits: { maxMemory: "8" } }, "limits.maxMemory"],
    [{ limits: { maxDisks: 1 } }, "limits"],
    [{ placementPolicy: { strategy: "fast" } }, "placementPolicy.strategy"],
    [{ placementPolicy: { clusterWeights: { a: -1 } } }, "placementPolicy.clusterWeights.a"],
  ])("are refused with the property's name: %j", (change, property) => {
    expect(failuresOf(poolDefinition, { name: "prod", clusters: ["a"], ...change }).map((failure) => failure.property)).toEqual([property]);
  });
});

describe("a property's path", () => {
  it.each<[PropertyKey[], string]>([
    [[], ""],
    [["cores"], "cores"],
    [["disks", 0, "size"], "disks[0].size"],
    [[0, "a", 1, 2], "[0].a[1][2]"],
  ])("of %j is %s", (path, text) => {
    expect(propertyPath(path)).toBe(text);
  });
});
