import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDescription, identityTag, type Mark } from "../../src/migration";
import type { Placement } from "../../src/placement";
import { newDiskLine } from "../../src/providers/vm/apply";
import { observeShape } from "../../src/providers/vm/observe";
import { renderShape } from "../../src/providers/vm/render";
import { compareShapes, formatNetwork, formatOptions, type GuestShape, isOwnDiskSlot } from "../../src/providers/vm/shape";
import { vmSchema } from "../../src/providers/vm/spec";
import { FakeCluster } from "../support/fake-cluster";
import { cluster } from "../support/fake-federation";
import { FakeWorld } from "../support/fake-world";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const MARK: Mark = { federation: "fed", stack: "shop/prod", kind: "vm", name: "web", generation: 1, phase: "settled" };
const CLUSTER = cluster("a", {
  network: { bridges: ["vmbr0"], networks: { lan: { bridge: "vmbr0" }, dmz: { bridge: "vmbr1", vlan: 7, mtu: 9000 } }, crossConnects: [] },
  images: { debian: "fast:import/debian.qcow2" },
});

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const mac = fc.stringMatching(/^BC(:[0-9A-F]{2}){5}$/);

/** Arguments a program may give, disks small so that their sizes differ by little. */
const args = fc.record({
  name: word,
  cores: fc.integer({ min: 1, max: 64 }),
  sockets: fc.integer({ min: 1, max: 4 }),
  cpuType: fc.constantFrom("x86-64-v2-AES", "host", "host,flags=+aes"),
  memory: fc.integer({ min: 1024, max: 65536 }).map((mib) => mib * MIB),
  balloon: optional(fc.integer({ min: 16, max: 1024 }).map((mib) => mib * MIB)),
  disks: fc.array(
    fc.record({
      size: fc.integer({ min: MIB, max: 20 * GIB }),
      ssd: optional(fc.boolean()),
      discard: optional(fc.boolean()),
      ioThread: optional(fc.boolean()),
      cache: optional(fc.constantFrom("none" as const, "writeback" as const)),
    }),
    { maxLength: 16 },
  ),
  networks: fc.array(
    fc.record({
      network: fc.constantFrom("lan", "dmz", "vmbr5"),
      model: optional(fc.constantFrom("virtio" as const, "e1000" as const, "vmxnet3" as const)),
      mac: optional(mac),
      firewall: optional(fc.boolean()),
    }),
    { maxLength: 4 },
  ),
  cloudInit: optional(
    fc.record(
      {
        user: word,
        sshKeys: fc.array(fc.constantFrom("ssh-ed25519 AAAA+b/c= me@home", "ssh-rsa BBBB== x"), { maxLength: 2 }),
        ipConfigs: fc.array(fc.constantFrom("ip=dhcp", "ip=10.0.0.5/24,gw=10.0.0.1"), { maxLength: 2 }),
        nameservers: fc.array(fc.constantFrom("10.0.0.1", "2001:db8::1"), { maxLength: 2 }),
        searchDomain: word,
      },
      { requiredKeys: [] },
    ),
  ),
  tags: fc.array(word, { maxLength: 4 }),
  description: fc.string({ unit: "grapheme", maxLength: 40 }),
  onBoot: fc.boolean(),
  startOrder: optional(fc.integer({ min: 1, max: 9 })),
  agent: fc.boolean(),
  running: fc.boolean(),
});

function specOf(given: Record<string, unknown>) {
  // The engine's wire format leaves undefined out.
  return vmSchema.parse(JSON.parse(JSON.stringify(given)));
}

function placementFor(disks: number): Placement {
  return { cluster: "a", node: "a1", storages: Array.from({ length: disks + 1 }, (_, index) => (index % 2 === 0 ? "fast" : "slow")) };
}

function shapeOf(given: Record<string, unknown>): GuestShape {
  const spec = specOf(given);
  return renderShape(spec, placementFor(spec.disks.length), CLUSTER, identityTag(MARK));
}

/** What a cluster keeps of a shape that is created as declared. */
async function storedBy(shape: GuestShape): Promise<GuestShape> {
  const api = new FakeCluster("a", new FakeWorld(), { nodes: ["a1"], storages: { fast: {}, slow: {} } });
  const drives = Object.fromEntries(Object.entries(shape.disks).map(([slot, disk]) => [slot, newDiskLine(disk)]));
  const cards = Object.fromEntries(Object.entries(shape.networks).map(([slot, network]) => [slot, formatNetwork(network)]));
  const cloudInit = shape.cloudInitStorage === undefined ? {} : { ide2: `${shape.cloudInitStorage}:cloudinit` };
  await api.tasks.wait(
    await api.qemu.create("a1", {
      vmid: 100,
      ...shape.scalars,
      ...drives,
      ...cards,
      ...cloudInit,
      tags: [...shape.tags].reverse().join(","),
      description: formatDescription(shape.text, MARK),
    }),
  );
  return observeShape(await api.qemu.getConfig("a1", 100), Object.keys(shape.scalars), shape.running);
}

const BASE = {
  name: "web",
  cores: 2,
  memory: 2 * GIB,
  disks: [{ size: 8 * GIB, discard: true }, { size: GIB }],
  networks: [{ network: "lan" }, { network: "dmz", mac: "BC:24:11:00:00:01" }],
  tags: ["web"],
  description: "the shop",
};

describe("a rendered shape", () => {
  it("is what a cluster keeps of it: a VM that was created as declared shows no difference", async () => {
    await fc.assert(
      fc.asyncProperty(args, async (given) => {
        const shape = shapeOf(given);
        expect(compareShapes(shape, await storedBy(shape))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("is the same for the same program, and plain JSON", () => {
    fc.assert(
      fc.property(args, (given) => {
        const shape = shapeOf(given);
        expect(shapeOf(given)).toEqual(shape);
        expect(JSON.parse(JSON.stringify(shape))).toEqual(shape);
      }),
    );
  });

  it("has the units of Proxmox: MiB of memory, disks in steps of 4 MiB, never smaller than declared", () => {
    fc.assert(
      fc.property(args, (given) => {
        const shape = shapeOf(given);
        expect(Number(shape.scalars.memory) * MIB).toBe(given.memory);
        for (const [index, disk] of given.disks.entries()) {
          const { sizeBytes } = shape.disks[`scsi${index}`]!;
          expect(sizeBytes % (4 * MIB)).toBe(0);
          expect(sizeBytes - disk.size).toBeGreaterThanOrEqual(0);
          expect(sizeBytes - disk.size).toBeLessThan(4 * MIB);
        }
      }),
    );
  });

  it("puts logical names into the cluster's own", () => {
    const shape = shapeOf({
      ...BASE,
      image: "debian",
      networks: [{ network: "lan" }, { network: "dmz", firewall: false }, { network: "vmbr9" }],
    });
    expect(shape.networks).toEqual({
      net0: { model: "virtio", bridge: "vmbr0" },
      net1: { model: "virtio", bridge: "vmbr1", vlan: 7, mtu: 9000, firewall: false },
      net2: { model: "virtio", bridge: "vmbr9" },
    });
    expect(shape.disks.scsi0).toMatchObject({ storage: "fast", importFrom: "fast:import/debian.qcow2" });
    expect(shape.disks.scsi1).toEqual({ storage: "slow", sizeBytes: GIB, options: {} });
  });

  it("has no value that is empty: Proxmox keeps no line without a value", () => {
    const empty = { sshKeys: [], nameservers: [], ipConfigs: [], user: "", searchDomain: "" };
    const { scalars } = shapeOf({ ...BASE, cloudInit: empty });
    expect(Object.entries(scalars).filter(([, value]) => value === "")).toEqual([]);
  });

  it("keeps SSH keys as Proxmox takes them", () => {
    const { scalars } = shapeOf({ ...BASE, cloudInit: { sshKeys: ["ssh-ed25519 A+/= me@home", "ssh-rsa B"] } });
    expect(scalars.sshkeys).toBe("ssh-ed25519%20A%2B%2F%3D%20me%40home%0Assh-rsa%20B");
  });
});

describe("comparing shapes", () => {
  it("finds nothing between a shape and itself", () => {
    fc.assert(
      fc.property(args, (given) => {
        expect(compareShapes(shapeOf(given), shapeOf(given))).toEqual([]);
      }),
    );
  });

  it.each<[string, Record<string, unknown>, string[], boolean]>([
    ["name", { name: "web2" }, ["name"], false],
    ["cores", { cores: 4 }, ["cores"], true],
    ["sockets", { sockets: 2 }, ["sockets"], true],
    ["CPU type", { cpuType: "host" }, ["cpu"], true],
    ["memory", { memory: GIB }, ["memory"], true],
    ["balloon", { balloon: GIB }, ["balloon"], false],
    ["machine", { machine: "q35" }, ["machine"], true],
    ["firmware", { bios: "seabios" }, ["bios"], true],
    ["agent", { agent: true }, ["agent"], true],
    ["start with the node", { onBoot: false }, ["onboot"], false],
    ["start order", { startOrder: 3 }, ["startup"], false],
    ["OS type", { osType: "win11" }, ["ostype"], true],
    ["controller", { scsiController: "virtio-scsi-pci" }, ["scsihw"], true],
    ["disk size", { disks: [{ size: 9 * GIB, discard: true }, { size: GIB }] }, ["disks.scsi0.sizeBytes"], false],
    ["disk options", { disks: [{ size: 8 * GIB }, { size: GIB }] }, ["disks.scsi0.options"], true],
    ["a disk more", { disks: [...BASE.disks, { size: GIB }] }, ["disks.scsi2"], false],
    ["a disk less", { disks: [BASE.disks[0]] }, ["disks.scsi1"], false],
    ["network", { networks: [{ network: "vmbr9" }, BASE.networks[1]] }, ["net0"], false],
    ["model", { networks: [{ network: "lan", model: "e1000" }, BASE.networks[1]] }, ["net0"], false],
    ["firewall", { networks: [{ network: "lan", firewall: true }, BASE.networks[1]] }, ["net0"], false],
    ["a declared MAC address", { networks: [BASE.networks[0], { network: "dmz", mac: "BC:24:11:00:00:02" }] }, ["net1"], false],
    ["a card more", { networks: [...BASE.networks, { network: "lan" }] }, ["net2"], false],
    ["a card less", { networks: [BASE.networks[0]] }, ["net1"], false],
    ["tags", { tags: ["web", "db"] }, ["tags"], false],
    ["description", { description: "the new shop" }, ["description"], false],
    ["power", { running: false }, ["running"], false],
    ["cloud-init", { cloudInit: { user: "me" } }, ["ciuser", "cloudInit.storage"], true],
  ])("finds a change of %s, and whether it needs a restart", async (_what, change, paths, needsRestart) => {
    const stored = await storedBy(shapeOf(BASE));
    const changes = compareShapes(shapeOf({ ...BASE, ...change }), stored);
    expect(changes.map((found) => found.path)).toEqual(paths);
    for (const found of changes) expect([found.path, found.needsRestart]).toEqual([found.path, needsRestart]);
  });

  it("finds what is changed on either side, and says it the right way round", () => {
    fc.assert(
      fc.property(args, args, (one, other) => {
        const there = compareShapes(shapeOf(one), shapeOf(other));
        const back = compareShapes(shapeOf(other), shapeOf(one));
        const plain = (changes: typeof there) => changes.filter((change) => !change.path.startsWith("net"));
        expect(plain(back)).toEqual(plain(there).map((change) => ({ ...change, from: change.to, to: change.from })));
      }),
    );
  });

  it("takes Proxmox's MAC address for no difference, and a declared one for one", () => {
    const declared = shapeOf(BASE);
    const live = (mac: string): GuestShape => ({
      ...declared,
      networks: { ...declared.networks, net0: { ...declared.networks.net0!, mac } },
    });
    expect(compareShapes(declared, live("BC:24:11:FF:FF:FF"))).toEqual([]);
    expect(compareShapes(live("BC:24:11:00:00:09"), live("BC:24:11:FF:FF:FF")).map((change) => change.path)).toEqual(["net0"]);
  });

  it("does not compare what it is imported from", () => {
    expect(compareShapes(shapeOf({ ...BASE, image: "debian" }), shapeOf(BASE))).toEqual([]);
  });
});

describe("an observed shape", () => {
  const observe = (values: Record<string, string>, keys: string[] = []) => observeShape({ digest: "", values }, keys, true);

  it("leaves attached disks, CD drives and keys that nobody manages alone", () => {
    const shape = observe(
      {
        scsi0: "fast:vm-1-disk-0,size=1G",
        scsi16: "fast:vm-300-disk-0,backup=0,size=1G",
        ide0: "none,media=cdrom",
        cores: "2",
        vga: "qxl",
        hotplug: "1",
      },
      ["cores"],
    );
    expect(Object.keys(shape.disks)).toEqual(["scsi0"]);
    expect(shape.scalars).toEqual({ cores: "2" });
  });

  it("leaves options of a disk that nobody manages alone", () => {
    expect(observe({ scsi0: "fast:vm-1-disk-0,aio=native,backup=1,discard=on,size=1G,serial=x" }).disks.scsi0).toEqual({
      storage: "fast",
      sizeBytes: GIB,
      options: { discard: "on" },
    });
  });

  it("has the text without mark and vzdump's lines", () => {
    expect(observe({ description: `${formatDescription("the shop", MARK)}\nscsi1: fast:vm-1-disk-1,backup=0,size=1G` }).text).toBe(
      "the shop",
    );
  });

  it.each(["fast:vm-1-cloudinit,media=cdrom", "fast:1/vm-1-cloudinit.qcow2,media=cdrom,size=4M"])(
    "finds the cloud-init drive (%s)",
    (line) => {
      expect(observe({ ide2: line }).cloudInitStorage).toBe("fast");
    },
  );

  it("of a bare guest is empty", () => {
    expect(observe({})).toEqual({ scalars: {}, disks: {}, networks: {}, tags: [], text: "", running: true });
  });

  it.each<[string, boolean]>([
    ["scsi0", true],
    ["scsi15", true],
    ["scsi16", false],
    ["scsi30", false],
    ["virtio0", false],
    ["scsihw", false],
    ["scsi", false],
  ])("counts %s as an own disk: %s", (slot, own) => {
    expect(isOwnDiskSlot(slot)).toBe(own);
  });
});

describe("disk lines and options", () => {
  it("allocate the exact size", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 24 }), (units) => {
        const line = newDiskLine({ storage: "fast", sizeBytes: units * 4 * MIB, options: {} });
        expect(Number(/^fast:(\d+(?:\.\d+)?)$/.exec(line)?.[1]) * GIB).toBe(units * 4 * MIB);
      }),
    );
  });

  it("import an image where one is named", () => {
    expect(newDiskLine({ storage: "fast", sizeBytes: GIB, options: { discard: "on" }, importFrom: "a:import/x" })).toBe(
      "fast:0,import-from=a:import/x,discard=on",
    );
  });

  it("do not depend on the order in which options are named", () => {
    expect(formatOptions({ ssd: "1", cache: "none" })).toBe(formatOptions({ cache: "none", ssd: "1" }));
  });
});
