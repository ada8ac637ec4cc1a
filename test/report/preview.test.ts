import { describe, expect, it } from "vitest";
import { PreviewError, previewMarkdown, readPreview, withPlanned } from "../../src/report";
import { topology } from "./sample";

const URN = "urn:pulumi:dev::shop";
const place = (cluster: string, node: string) => ({ cluster, node, storages: ["s"], why: `${cluster}/${node}: balanced 700` });
const vm = (name: string, op: string, olds?: object, news?: object, parent = "") => ({
  op,
  urn: `${URN}::${parent}pulumi-nodejs:dynamic/proxmox:FederatedVM::${name}`,
  ...(olds ? { oldState: { inputs: olds } } : {}),
  ...(news ? { newState: { inputs: news } } : {}),
});

const MOVED = {
  placement: place("c1", "n1"),
  migration: {
    method: "backup-restore: cold",
    transfer: "up to 20 GiB (at most 1 Gbit/s)",
    downtime: "3 to 9 min",
    reason: "c0 is draining",
  },
};

const PREVIEW = JSON.stringify({
  steps: [
    { op: "same", urn: `${URN}::pulumi:pulumi:Stack::shop-dev` },
    vm("vm-100", "create-replacement", { placement: place("c0", "n0") }, MOVED),
    vm("vm-100", "replace", { placement: place("c0", "n0") }, MOVED),
    vm("vm-100", "delete-replaced", { placement: place("c0", "n0") }),
    vm(
      "new|one",
      "create",
      undefined,
      { placement: place("c0", "n1"), cores: 4, sockets: 2, memory: "8GiB" },
      "proxmox-federation:index:FederatedDeployment$",
    ),
    vm(
      "vm-102",
      "update",
      { placement: place("c1", "n0") },
      { placement: place("c1", "n0"), restart: "the VM restarts: cores cannot change" },
    ),
    vm("vm-103", "delete", { placement: place("c1", "n1") }),
    vm("vm-101", "same", { placement: place("c0", "n1") }, { placement: place("c0", "n1") }),
    { op: "create", urn: `${URN}::aws:s3/bucket:Bucket::other` },
  ],
  diagnostics: [
    { severity: "warning", message: "cluster c9 is left out\n" },
    { severity: "info", message: "never mind" },
  ],
});

describe("a Pulumi preview", () => {
  it("is read as what becomes of our resources", () => {
    const { resources, messages } = readPreview(PREVIEW);
    expect(resources.map(({ name, operation }) => [name, operation])).toEqual([
      ["vm-100", "replace"],
      ["new|one", "create"],
      ["vm-102", "update"],
      ["vm-103", "delete"],
      ["vm-101", "same"],
    ]);
    expect(resources[1]).toMatchObject({ kind: "vm", cores: 8, memoryMiB: 8192, to: { cluster: "c0", node: "n1" } });
    expect(messages).toEqual([{ severity: "warning", text: "cluster c9 is left out" }]);
  });

  it.each([
    ["no JSON", /pulumi preview --json > preview.json/],
    ['{"steps": 3}', /no list of steps/],
    ["[]", /no list of steps/],
  ])("%s is refused", (text, message) => {
    expect(() => readPreview(text)).toThrow(PreviewError);
    expect(() => readPreview(text)).toThrow(message);
  });

  it("becomes a comment for a pull request", () => {
    const text = previewMarkdown(readPreview(PREVIEW));
    expect(text).toMatch(/^## Federation: \*\*1 to move between clusters\*\*, 1 to create, 1 to update, 1 to delete, 1 unchanged$/m);
    expect(text).toContain(
      "| vm-100 | c0/n0 | c1/n1 | backup-restore: cold | up to 20 GiB (at most 1 Gbit/s) | 3 to 9 min | any time | c0 is draining |",
    );
    expect(text).toContain("| create | vm | new\\|one | c0/n1 | c0/n1: balanced 700 |");
    expect(text).toContain("the VM restarts: cores cannot change");
    expect(text).toContain("* cluster c9 is left out");
  });

  it("stays below what GitHub takes", () => {
    const steps = Array.from({ length: 5000 }, (_, index) => vm(`vm-${index}`, "create", undefined, { placement: place("c0", "n0") }));
    const text = previewMarkdown(readPreview(JSON.stringify({ steps })));
    expect(text.length).toBeLessThan(65_000);
    expect(text).toMatch(/… and \d+ more lines/);
  });

  it("is laid over the live federation", () => {
    const { changes } = withPlanned(topology({ clusters: 2, nodes: 2, guestsPerNode: 1 }), readPreview(PREVIEW));
    expect(changes).toEqual([
      expect.objectContaining({ guest: "c0/100", from: { cluster: "c0", node: "n0" }, to: { cluster: "c1", node: "n1" }, cores: 2 }),
      expect.objectContaining({ name: "new|one", to: { cluster: "c0", node: "n1" }, cores: 8, memoryMiB: 8192 }),
      expect.objectContaining({ guest: "c1/103", from: { cluster: "c1", node: "n1" } }),
    ]);
    expect(changes[0]!.why).toBe("up to 20 GiB (at most 1 Gbit/s); down 3 to 9 min; c0 is draining");
    expect(changes[2]!.to).toBeUndefined();
  });
});
