import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalDrive,
  canonicalNet,
  driveOption,
  driveSizeBytes,
  driveVolid,
  FormatError,
  findDriveSlot,
  formatDrive,
  formatNet,
  formatPropertyString,
  formatSize,
  formatTags,
  formatUpid,
  formatVolid,
  getProperty,
  isCdrom,
  isCloudInit,
  isUpid,
  isValidTag,
  normalizeTags,
  ownerOf,
  parseDrive,
  parseNet,
  parsePropertyString,
  parseSize,
  parseUpid,
  parseVolid,
  parseVolname,
  setProperty,
  splitTags,
  withDriveOption,
  withNetOption,
} from "../../src/proxmox";

const word = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
const plainValue = fc.stringMatching(/^[A-Za-z0-9./:;+_ %-]{1,12}$/).filter((value) => value.trim() !== "");
const quotedValue = fc.stringMatching(/^[a-z,= ]{0,10}$/).map((value) => `"${value}"`);

describe("property strings", () => {
  const entries = fc.uniqueArray(fc.record({ key: word, value: fc.oneof(plainValue, quotedValue) }), {
    selector: ({ key }) => key,
    maxLength: 8,
  });

  it("print what they were parsed from, keys in their order", () => {
    fc.assert(
      fc.property(entries, fc.option(plainValue), (list, first) => {
        const text = [...(first === null ? [] : [first]), ...list.map(({ key, value }) => `${key}=${value}`)].join(",");
        const parsed = parsePropertyString(text, "DEFAULT");
        expect(formatPropertyString(parsed)).toBe(text);
        expect(parsed.filter(({ bare }) => !bare).map(({ key, value }) => ({ key, value }))).toEqual(list);
        if (first !== null) expect(getProperty(parsed, "DEFAULT")).toBe(first);
      }),
    );
  });

  it("either refuse a text or print it back unchanged", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab=,"\\ ;:0') }), (text) => {
        try {
          expect(formatPropertyString(parsePropertyString(text, "DEFAULT"))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("change one property and leave all others as they are", () => {
    fc.assert(
      fc.property(entries, word, plainValue, (list, key, value) => {
        const before = parsePropertyString(list.map((entry) => `${entry.key}=${entry.value}`).join(","));
        const after = parsePropertyString(formatPropertyString(setProperty(before, key, value)));
        expect(getProperty(after, key)).toBe(value);
        for (const entry of list) if (entry.key !== key) expect(getProperty(after, entry.key)).toBe(entry.value);
        expect(getProperty(setProperty(after, key, undefined), key)).toBeUndefined();
      }),
    );
  });

  it.each(["=x", "a=", "a=1,a=2", "a=1,DEFAULT=2,x", " =1"])("refuse %j as Proxmox does", (text) => {
    expect(() => parsePropertyString(text, "DEFAULT")).toThrow(FormatError);
  });

  it("need a key where there is no default", () => {
    expect(() => parsePropertyString("value")).toThrow(/has no key/);
  });

  it("write booleans as 0 and 1 and keep empty elements", () => {
    const parsed = parsePropertyString("local:8,,iothread=1", "file");
    expect(formatPropertyString(setProperty(setProperty(parsed, "iothread", false), "ssd", true))).toBe("local:8,,iothread=0,ssd=1");
  });
});

describe("UPIDs", () => {
  const parts = fc.record({
    node: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/),
    pid: fc.integer({ min: 0, max: 0xffffffff }),
    pstart: fc.integer({ min: 0, max: 0xfffffffff }),
    startTimeSeconds: fc.integer({ min: 0, max: 0xffffffff }),
    type: fc.stringMatching(/^[a-z]{1,12}$/),
    id: fc.oneof(fc.constant(""), fc.stringMatching(/^[0-9]{3,9}$/), fc.constant("160@d2")),
    user: fc.constantFrom("root@pam", "iac@pve!deploy"),
  });

  it("round trip exactly", () => {
    fc.assert(
      fc.property(parts, (value) => {
        const text = formatUpid(value);
        expect(isUpid(text)).toBe(true);
        expect(parseUpid(text)).toEqual(value);
      }),
    );
  });

  it.each(["", "UPID:n1:1000:2000:6955B900:qmcreate:100:root@pam:", "UPID:n1:00001000:00002000:6955B900:qmcreate:100:root@pam"])(
    "refuse %j",
    (text) => {
      expect(isUpid(text)).toBe(false);
      expect(() => parseUpid(text)).toThrow(FormatError);
    },
  );
});

describe("sizes", () => {
  it("round trip every whole number of bytes", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer({ min: 0, max: 2 ** 50 }),
          fc.integer({ min: 0, max: 2 ** 20 }).map((gib) => gib * 2 ** 30),
        ),
        (bytes) => {
          expect(parseSize(formatSize(bytes))).toBe(bytes);
        },
      ),
    );
  });

  it.each(["8GB", "8g", "-1", "+1G", ".5G", "", "8P", "5iB", "1e3"])("refuse %j", (text) => {
    expect(() => parseSize(text)).toThrow(FormatError);
  });
});

describe("tags", () => {
  it("normalize to a fixed point that prints and splits to itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."aBc1_ ,;-") }), (text) => {
        const tags = normalizeTags(text);
        expect(normalizeTags(tags)).toEqual(tags);
        expect(splitTags(formatTags(tags))).toEqual(tags);
        expect(tags).toEqual([...new Set(tags)].sort());
      }),
    );
  });

  it("know what Proxmox refuses", () => {
    expect(["web", "a+b", "x_1", "v1.2", "9"].every(isValidTag)).toBe(true);
    expect(["-x", "a=b", "a:b", "é", "", "a b"].some(isValidTag)).toBe(false);
  });
});

describe("volids", () => {
  it("round trip", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z][a-z0-9-]{0,6}[a-z0-9]$/),
        fc.stringMatching(/^[a-z0-9][a-z0-9/:.-]{0,20}$/),
        (storage, volname) => {
          expect(parseVolid(formatVolid({ storage, volname }))).toEqual({ storage, volname });
        },
      ),
    );
  });

  it.each(["", "x:", ":x", "/abs/path", "noColon", "a b:c"])("refuse %j", (text) => {
    expect(() => parseVolid(text)).toThrow(FormatError);
  });

  it("tell owners apart by whole numbers, and none where the name tells none", () => {
    expect(ownerOf("lvmthin", "vm-10-disk-0")).toBe(10);
    expect(ownerOf("lvmthin", "vm-100-disk-0")).toBe(100);
    expect(ownerOf("dir", "9/base-9-disk-0.raw/10/vm-10-disk-1.raw")).toBe(10);
    expect(ownerOf("pbs", "backup/vm/100/2026-01-01T00:00:00Z")).toBe(100);
    expect(ownerOf("dir", "iso/debian.iso")).toBeUndefined();
    expect(ownerOf("dir", "strange")).toBeUndefined();
  });

  it("know base images and what they are the base of", () => {
    expect(parseVolname("zfspool", "base-9-disk-0/vm-100-disk-1")).toMatchObject({
      vmid: 100,
      base: { name: "base-9-disk-0", vmid: 9 },
      isBase: false,
    });
    expect(parseVolname("dir", "9/base-9-disk-0.raw").isBase).toBe(true);
  });
});

describe("drives", () => {
  it.each([
    ["scsi0", "local:100/vm-100-disk-0.qcow2,discard=on,size=32G", { kind: "volume", volid: "local:100/vm-100-disk-0.qcow2" }],
    ["ide2", "none,media=cdrom", { kind: "none" }],
    ["ide2", "cdrom,media=cdrom", { kind: "cdrom" }],
    ["ide2", "local:cloudinit", { kind: "cloudinit", storage: "local" }],
    ["virtio3", "fast:0.5,format=qcow2", { kind: "allocate", storage: "fast", sizeGiB: 0.5 }],
    ["sata5", "/dev/disk/by-id/ata-X", { kind: "path", path: "/dev/disk/by-id/ata-X" }],
    ["unused255", "thin:vm-100-disk-3", { kind: "volume", volid: "thin:vm-100-disk-3" }],
    ["scsi1", "ssd=1,file=fast:8", { kind: "allocate", storage: "fast", sizeGiB: 8 }],
  ])("%s: %s", (key, text, file) => {
    const drive = parseDrive(key, text);
    expect(drive.file).toEqual(file);
    expect(formatDrive(drive)).toBe(text);
  });

  it("change one option and nothing else", () => {
    const drive = parseDrive("scsi1", "local:100/vm-100-disk-1.raw,discard=on,backup=1,size=32G,serial=x");
    expect(formatDrive(withDriveOption(drive, "backup", false))).toBe("local:100/vm-100-disk-1.raw,discard=on,backup=0,size=32G,serial=x");
    expect(formatDrive(withDriveOption(drive, "discard", undefined))).toBe("local:100/vm-100-disk-1.raw,backup=1,size=32G,serial=x");
    expect([driveOption(drive, "serial"), driveSizeBytes(drive), driveVolid(drive)]).toEqual([
      "x",
      32 * 1024 ** 3,
      "local:100/vm-100-disk-1.raw",
    ]);
  });

  it("are equal in canonical form when they mean the same", () => {
    const canonical = (text: string): string => canonicalDrive(parseDrive("scsi0", text));
    expect(canonical("size=32768M,iothread=on,file=local:100/vm-100-disk-0.raw")).toBe(
      canonical("local:100/vm-100-disk-0.raw,iothread=1,size=32G"),
    );
  });

  it("know CD drives and cloud-init images", () => {
    expect(isCdrom(parseDrive("ide2", "local:iso/x.iso,media=cdrom"))).toBe(true);
    expect(isCdrom(parseDrive("ide2", "local:iso/x.iso"))).toBe(false);
    expect(isCloudInit(parseDrive("ide2", "thin:vm-9-cloudinit,media=cdrom"))).toBe(true);
    expect(isCloudInit(parseDrive("ide2", "files:9/vm-9-cloudinit.qcow2,media=cdrom"))).toBe(true);
    expect(isCloudInit(parseDrive("ide2", "thin:vm-9-disk-0"))).toBe(false);
  });

  it("keep every option, known or not", () => {
    fc.assert(
      fc.property(fc.uniqueArray(word, { maxLength: 6 }), plainValue, (keys, value) => {
        const options = keys.filter((key) => key !== "file" && key !== "volume" && key !== "size");
        const text = ["local:8", ...options.map((key) => `${key}=${value}`)].join(",");
        expect(formatDrive(parseDrive("scsi0", text))).toBe(text);
      }),
    );
  });

  it.each([
    ["scsi0", ""],
    ["scsi0", "nostorage"],
    ["scsi0", "local:8,file=local:9"],
    ["scsi31", "local:8"],
    ["net0", "local:8"],
  ])("refuse %s: %j", (key, text) => {
    expect(() => parseDrive(key, text)).toThrow(FormatError);
  });

  it("know the slots of each bus", () => {
    expect(findDriveSlot("scsi30")).toEqual({ bus: "scsi", index: 30 });
    expect(["scsihw", "scsi01", "efidisk1", "boot"].map(findDriveSlot)).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe("network cards", () => {
  const text = "virtio=BC:24:11:AA:00:FF,bridge=vmbr0,firewall=1,tag=10,queues=4,mtu=1500,x-new=1";

  it("read what Proxmox wrote, and print it back with options nobody knows", () => {
    const net = parseNet(text);
    expect(net).toMatchObject({
      model: "virtio",
      macAddress: "BC:24:11:AA:00:FF",
      bridge: "vmbr0",
      firewall: true,
      tag: 10,
      queues: 4,
      mtu: 1500,
    });
    expect(formatNet(net)).toBe(text);
    expect(formatNet(withNetOption(net, "bridge", "vmbr1"))).toBe(text.replace("vmbr0", "vmbr1"));
    expect(withNetOption(net, "tag", undefined).tag).toBeUndefined();
  });

  it("understand both ways to write model and MAC", () => {
    expect(canonicalNet(parseNet("model=virtio,macaddr=BC:24:11:AA:00:FE"))).toBe("virtio=BC:24:11:AA:00:FE");
    expect(canonicalNet(parseNet("tag=5,bridge=vmbr0,e1000=BC:24:11:AA:00:FE,link_down=on"))).toBe(
      "e1000=BC:24:11:AA:00:FE,bridge=vmbr0,link_down=1,tag=5",
    );
  });

  it.each(["", "model=bogus", "bridge=vmbr0", "virtio,tag=x", "virtio,firewall=maybe"])("refuse %j", (bad) => {
    expect(() => parseNet(bad)).toThrow(FormatError);
  });
});
