import { describe, expect, it } from "vitest";
import {
  canonicalDrive,
  canonicalNet,
  driveOption,
  driveSizeBytes,
  FormatError,
  findDriveSlot,
  formatDrive,
  formatNet,
  formatPropertyString,
  formatSize,
  formatTags,
  formatUpid,
  getProperty,
  isCdrom,
  isCloudInit,
  type Net,
  normalizeTags,
  parseDrive,
  parseNet,
  parsePropertyString,
  parseSize,
  parseUpid,
  parseVolid,
  parseVolname,
  type UpidParts,
} from "../../../src/proxmox";
import { exitOf } from "../../../src/proxmox/task-exit";
import { functionVectors, skipWithoutRecordings } from "./recordings";

/** Result, or the word for a refusal. */
function attempt<T>(parse: () => T): T | "refused" {
  try {
    return parse();
  } catch (error) {
    if (error instanceof FormatError) return "refused";
    throw error;
  }
}

const label = ({ fn, args }: { fn: string; args: unknown[] }): string => `${fn} ${JSON.stringify(args)}`;

describe.skipIf(skipWithoutRecordings("formats against Proxmox's own code"))("formats against Proxmox's own code", () => {
  describe("drives", () => {
    const parsed = functionVectors("parse_drive", "parse_drive(with_alloc)").filter(
      ({ result }) => result !== null && result !== undefined,
    );
    it.each(parsed.map((vector) => [label(vector), vector] as const))("%s", (_label, { args: [key, text], result }) => {
      const drive = parseDrive(key as string, text as string);
      const { file, index, interface: bus, ...options } = result as Record<string, unknown>;
      expect([drive.bus, drive.index]).toEqual([bus, Number(index)]);
      expect(canonicalDrive(drive).split(",")[0]).toBe(file);
      for (const [option, value] of Object.entries(options)) {
        if (option === "size") expect(driveSizeBytes(drive)).toBe(value);
        else if (typeof value === "number") expect(canonicalDrive(drive)).toContain(`,${option}=${value}`);
        else expect(driveOption(drive, option)).toBe(value);
      }
      expect(formatDrive(drive)).toBe(text);
    });

    it.each(functionVectors("print_drive(parse_drive)").map((vector) => [label(vector), vector] as const))(
      "%s",
      (_label, { args: [key, text], result }) => {
        expect(canonicalDrive(parseDrive(key as string, text as string))).toBe(result);
      },
    );

    it.each(functionVectors("is_valid_drivename").map((vector) => [label(vector), vector] as const))(
      "%s",
      (_label, { args: [key], result }) => {
        const slot = findDriveSlot(key as string);
        // Proxmox does not count unusedN as a drive's name; as a line of the configuration it is one.
        expect(slot !== undefined && slot.bus !== "unused").toBe(Boolean(result));
      },
    );

    it("valid_drive_names", () => {
      const names = functionVectors("valid_drive_names")[0]!.result as string[];
      expect(names.length).toBeGreaterThan(50);
      expect(names.filter((name) => findDriveSlot(name) === undefined)).toEqual([]);
    });

    it.each(functionVectors("drive_is_cdrom", "drive_is_cloudinit").map((vector) => [label(vector), vector] as const))(
      "%s",
      (_label, { fn, args, result }) => {
        const drive = parseDrive("ide2", args[0] as string);
        expect(fn === "drive_is_cdrom" ? isCdrom(drive) : isCloudInit(drive)).toBe(Boolean(result));
      },
    );
  });

  describe("network cards", () => {
    it.each(functionVectors("print_net(parse_net)").map((vector) => [label(vector), vector] as const))(
      "%s",
      (_label, { args: [text], result }) => {
        const net = parseNet(text as string);
        expect(canonicalNet(net)).toBe(result);
        expect(formatNet(net)).toBe(text);
      },
    );

    const names: Record<string, keyof Net> = { macaddr: "macAddress", link_down: "linkDown", rate: "rateMBps" };
    const parsed = functionVectors("parse_net").filter(({ result }) => result !== null);
    it.each(parsed.map((vector) => [label(vector), vector] as const))("%s", (_label, { args: [text], result }) => {
      const net = parseNet(text as string);
      for (const [key, value] of Object.entries(result as Record<string, unknown>)) {
        const own = net[names[key] ?? (key as keyof Net)];
        expect(typeof own === "boolean" || typeof own === "number" ? Number(own) : own).toBe(
          typeof own === "string" ? value : Number(value),
        );
      }
    });
  });

  describe("property strings", () => {
    const defaults: Record<string, string> = {
      agent: "enabled",
      cpu: "cputype",
      efidisk: "file",
      hostpci: "host",
      machine: "type",
      rng0: "source",
      tpmstate: "file",
      usb: "host",
      vga: "type",
      virtiofs: "dirid",
      watchdog: "model",
      memory: "current",
      boot: "legacy",
    };
    const vectors = Object.keys(defaults)
      .concat("audio", "ivshmem", "smbios1", "cicustom", "intel-tdx")
      .flatMap((format) => functionVectors(`parse:${format}`).map((vector) => ({ ...vector, format })))
      .filter(({ result }) => typeof result === "object" && result !== null);
    it.each(vectors.map((vector) => [label(vector), vector] as const))("%s", (_label, { args: [text], result, format }) => {
      const parsed = parsePropertyString(text as string, defaults[format]);
      expect(formatPropertyString(parsed)).toBe(text);
      for (const [key, value] of Object.entries(result as Record<string, unknown>)) {
        // The agent's old option name is an alias of the new one.
        const written = getProperty(parsed, key) ?? getProperty(parsed, "guest-fsfreeze") ?? getProperty(parsed, "freeze-fs-on-backup");
        expect(written).toBe(String(value));
      }
    });
  });

  describe("sizes, tags, UPIDs", () => {
    it.each(functionVectors("parse_size").map((vector) => [label(vector), vector] as const))("%s", (_label, { args: [text], result }) => {
      expect(attempt(() => parseSize(text as string))).toBe(result ?? "refused");
    });

    it.each(functionVectors("format_size").map((vector) => [label(vector), vector] as const))("%s", (_label, { args: [bytes], result }) => {
      expect(formatSize(bytes as number)).toBe(String(result));
    });

    const styles = { std: {}, tagscase: { caseSensitive: true }, tagsconf: { keepOrder: true } } as const;
    const tagVectors = Object.entries(styles).flatMap(([state, style]) =>
      functionVectors(`get_unique_tags[${state}]`, `get_unique_tags_no_join[${state}]`).map(
        (vector) => [label(vector), vector, style] as const,
      ),
    );
    it.each(tagVectors)("%s", (_label, { args: [text], result }, style) => {
      const tags = normalizeTags(text as string, style);
      expect(Array.isArray(result) ? tags : formatTags(tags)).toEqual(result);
    });

    it.each(functionVectors("decode").map((vector) => [label(vector), vector] as const))(
      "%s",
      (_label, { args: [text], result, error }) => {
        const { starttime, ...rest } = (result ?? {}) as Record<string, unknown>;
        expect(attempt(() => parseUpid(text as string))).toEqual(
          error === undefined ? { ...rest, startTimeSeconds: starttime } : "refused",
        );
      },
    );

    it.each(functionVectors("encode").map((vector) => [label(vector), vector] as const))("%s", (_label, { args: [parts], result }) => {
      const { starttime, ...rest } = parts as Record<string, unknown>;
      expect(formatUpid({ ...rest, startTimeSeconds: starttime } as UpidParts)).toBe(result);
    });

    it.each(functionVectors("status_is_error").map((vector) => [label(vector), vector] as const))(
      "%s",
      (_label, { args: [status], result }) => {
        expect(exitOf(status as string).ok).toBe(!result);
      },
    );
  });

  describe("volumes", () => {
    it.each(functionVectors("parse_volume_id").map((vector) => [label(vector), vector] as const))(
      "%s",
      (_label, { args: [text], result }) => {
        const volid = attempt(() => parseVolid(text as string));
        expect(volid === "refused" ? undefined : [volid.storage, volid.volname]).toEqual(result);
      },
    );

    const types = ["btrfs", "cephfs", "dir", "lvm", "lvmthin", "nfs", "pbs", "rbd", "zfspool"];
    const vectors = types.flatMap((type) =>
      functionVectors(`parse_volname:${type}`).map((vector) => [label(vector), vector, type] as const),
    );
    it.each(vectors)("%s", (_label, { args: [text], result }, type) => {
      const volume = attempt(() => parseVolname(type, text as string));
      if (result === undefined || volume === "refused") {
        expect(volume).toBe(result === undefined ? "refused" : result);
        return;
      }
      const [content, name, vmid, baseName, baseVmid, , format] = result as (string | null)[];
      expect(volume).toMatchObject({ content, name, format });
      expect(volume.vmid).toBe(vmid === null ? undefined : Number(vmid));
      expect(volume.base).toEqual(baseName === null ? undefined : { name: baseName, vmid: Number(baseVmid) });
    });
  });
});
