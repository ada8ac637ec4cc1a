import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { vmSchema } from "../../src/providers/vm/spec";
import { clientOf, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

const CLUSTER = "worldstream-prod";

let simulated: SimulatedFederation;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "import-"));
  simulated = await startSimulatedFederation();
  const api = clientOf(simulated, CLUSTER);
  const create = async (vmid: number, params: Record<string, string | number>) =>
    api.tasks.wait(await api.qemu.create("ams-1", { vmid, memory: 1536, cores: 3, ...params }));
  await create(101, {
    name: "web",
    cpu: "host",
    ostype: "l26",
    scsihw: "virtio-scsi-single",
    scsi0: "nvme:4,discard=on,ssd=1",
    net0: "virtio,bridge=vmbr0,tag=20,firewall=1",
    ide2: "nvme:cloudinit",
    ciuser: "ada",
    sshkeys: encodeURIComponent("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ada@desk"),
    ipconfig0: "ip=dhcp",
    onboot: 1,
    agent: "1",
    tags: "front;old",
    description: "by hand\n// and with */ marks\u2028",
  });
  await create(102, { name: "odd", virtio0: "nvme:1" });
  await create(103, { name: "web" });
  await api.close();
});
afterAll(async () => {
  await simulated.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("federate import", () => {
  it("writes a program that says of each VM what it is, and names those it leaves out", async () => {
    const { code, out, err } = await federate(["import", "--cluster", CLUSTER, "--into", "production-pool"], simulated.env);
    expect([code, err]).toEqual([0, "2 VMs, 1 left out\n"]);
    expect(out).toContain('new FederatedVM("web-worldstream-prod-101", {');
    expect(out).toContain('new FederatedVM("web-worldstream-prod-103", {');
    expect(out).toContain("// vm 102 (odd) on worldstream-prod/ams-1: it has disks on virtio0");
    expect(out).toContain('disks: [{ size: "4GiB", storageClass: "fast", discard: true, ssd: true }],');
    expect(out).toContain('networks: [{ network: "lan", firewall: true }],');
    expect(out).toMatch(/cloudInit: \{\n {4}user: "ada",\n {4}sshKeys: \[/);
    expect(out).toMatch(/ipConfigs: \["ip=dhcp"\],\n {4}storageClass: "fast",/);
  });

  it("writes TypeScript that compiles, with arguments a FederatedVM takes", async () => {
    const { out } = await federate(["import", "--into", "production-pool"], simulated.env);
    const { diagnostics, outputText } = ts.transpileModule(out, {
      reportDiagnostics: true,
      compilerOptions: { module: ts.ModuleKind.CommonJS },
    });
    expect(diagnostics).toEqual([]);
    const seen: [string, unknown][] = [];
    class FederatedVM {
      constructor(name: string, args: unknown) {
        seen.push([name, args]);
      }
    }
    new Function("require", "exports", outputText)(() => ({ FederatedVM }), {});
    expect(seen).toHaveLength(2);
    for (const [name, args] of seen) expect(vmSchema.safeParse({ name, ...(args as object) })).toMatchObject({ success: true });
    expect(seen[0]![1]).toMatchObject({
      name: "web",
      cores: 3,
      memory: "1536MiB",
      cpuType: "host",
      description: "by hand\n// and with */ marks",
      running: false,
      adopt: { cluster: CLUSTER, vmid: 101 },
    });
  });

  it("replaces no file, and refuses names the file does not have", async () => {
    const file = join(directory, "index.ts");
    expect((await federate(["import", "-o", file], simulated.env)).code).toBe(0);
    expect(await readFile(file, "utf8")).toContain("new FederatedVM");
    const again = await federate(["import", "-o", file], simulated.env);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("EEXIST")]);
    const unknown = await federate(["import", "--cluster", "nowhere"], simulated.env);
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining("nowhere is not in the federation file")]);
  });
});
