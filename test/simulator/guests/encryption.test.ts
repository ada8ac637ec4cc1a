import { beforeEach, describe, expect, test } from "vitest";
import { createRig, type Rig } from "./harness";

let rig: Rig;

beforeEach(async () => {
  rig = createRig();
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, memory: 64, scsi0: "local:0.0625" });
  rig.write("ams", "ams-1", "local:100/vm-100-disk-0.raw", 0, 10);
});

const setKey = (cluster: string, storage: string, key: string) =>
  rig.call("PUT", `${cluster}/storage/${storage}`, { "encryption-key": key });
const configOf = async (cluster: string, storage: string) =>
  (await rig.call("GET", `${cluster}/storage/${storage}`)) as Record<string, string>;

async function backUp(): Promise<string> {
  const task = await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "pbs" });
  expect(task.exitStatus).toBe("OK");
  const content = (await rig.call("GET", "ams/nodes/ams-1/storage/pbs/content")) as { volid: string; ctime: number }[];
  return content.sort((a, b) => b.ctime - a.ctime)[0]!.volid;
}

const restore = (archive: string) =>
  rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive: archive.replace(/^pbs:/, "pbs-ams:"), storage: "nvme" });

describe("a storage's encryption key", () => {
  test("is given back once, when it is made; the configuration shows its fingerprint", async () => {
    const made = (await setKey("ams", "pbs", "autogen")) as { config: { "encryption-key": string } };
    const key = JSON.parse(made.config["encryption-key"]) as { data: string; fingerprint: string };
    const config = await configOf("ams", "pbs");
    expect(config["encryption-key"]).toBe(key.fingerprint);
    expect(JSON.stringify(config)).not.toContain(key.data);
  });

  test("that is no key file is refused", async () => {
    await expect(setKey("ams", "pbs", "hunter2")).rejects.toThrow("Value does not seems like a valid, JSON formatted encryption key!");
    expect((await configOf("ams", "pbs"))["encryption-key"]).toBeUndefined();
  });

  test("can be taken away", async () => {
    await setKey("ams", "pbs", "autogen");
    await rig.call("PUT", "ams/storage/pbs", { delete: "encryption-key" });
    expect((await configOf("ams", "pbs"))["encryption-key"]).toBeUndefined();
    const content = (await rig.call("GET", "ams/nodes/ams-1/storage/pbs/content")) as Record<string, unknown>[];
    await backUp();
    expect(content.some((row) => "encrypted" in row)).toBe(false);
  });
});

describe("an encrypted backup", () => {
  const key = JSON.stringify({
    kdf: null,
    created: "2026-01-01T00:00:00+00:00",
    modified: "2026-01-01T00:00:00+00:00",
    data: "c2VjcmV0",
    fingerprint: Array(32).fill("ab").join(":"),
  });
  const otherKey = key.replace("c2VjcmV0", "b3RoZXI=").replaceAll("ab", "cd");
  const short = Array(8).fill("ab").join(":");

  test("says so in the list, shares no chunk with a plain one, and travels whole", async () => {
    await backUp();
    await setKey("ams", "pbs", key);
    await backUp();
    const rows = (await rig.call("GET", "ams/nodes/ams-1/storage/pbs/content")) as { encrypted?: string }[];
    expect(rows.map(({ encrypted }) => encrypted).filter((one) => one !== undefined)).toEqual([Array(32).fill("ab").join(":")]);
    expect(Object.keys(rig.world.state.backends.pbs!.chunks)).toHaveLength(20);
  });

  test("is restored where the storage has the same key", async () => {
    await setKey("ams", "pbs", key);
    await setKey("fra", "pbs-ams", key);
    const task = await restore(await backUp());
    expect(task.exitStatus).toBe("OK");
    expect(task.log.join("\n")).toContain("--keyfile /etc/pve/priv/storage/pbs-ams.enc");
  });

  test.each([
    ["no key", undefined, `missing key - manifest was created with key ${short}`],
    [
      "another key",
      otherKey,
      `wrong key - unable to verify signature since manifest's key ${short} does not match provided key ${short.replaceAll("ab", "cd")}`,
    ],
  ])("with %s at the target fails before anything is touched", async (_, targetKey, message) => {
    await setKey("ams", "pbs", key);
    if (targetKey !== undefined) await setKey("fra", "pbs-ams", targetKey);
    const archive = await backUp();
    const task = await restore(archive);
    expect(task.exitStatus).toMatch(/^command '\/usr\/bin\/proxmox-backup-client restore .* index\.json .*' failed: exit code 255$/);
    expect(task.log).toContain(`Error: ${message}`);
    expect(Object.keys(rig.world.state.backends["fra-1-nvme"]!.volumes)).toEqual([]);
    await expect(rig.call("GET", "fra/nodes/fra-1/vzdump/extractconfig", { volume: archive.replace(/^pbs:/, "pbs-ams:") })).rejects.toThrow(
      `proxmox-backup-client failed: Error: ${message}`,
    );
  });
});
