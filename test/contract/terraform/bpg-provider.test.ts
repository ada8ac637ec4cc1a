/**
 * The bpg provider for Terraform, a client nobody here wrote, against the simulator: apply, an empty
 * plan, a change in place, destroy. Needs `terraform` and the built provider; see docs/simulator.md.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Simulator, smallLayout, startSimulator } from "../../../src/simulator";
import { missing, PROVIDER_VERSION, terraform, useMirror } from "./terraform";

let simulator: Simulator | undefined;
let directory: string | undefined;

afterEach(async () => {
  await simulator?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true });
  simulator = undefined;
  directory = undefined;
});

const inDirectory = (...args: string[]) => terraform({ home: directory! }, ...args);

interface VmSettings {
  cores: number;
  dataDiskGiB: number;
}

const reference = (path: string) => `\${${path}}`;

/** One VM from an image with cloud-init, and one with an empty disk that grows. */
function configuration(endpoint: string, apiToken: string, { cores, dataDiskGiB }: VmSettings): string {
  const common = {
    node_name: "ams-1",
    pool_id: reference("proxmox_virtual_environment_pool.web.pool_id"),
    stop_on_destroy: true,
    agent: { enabled: false },
    memory: { dedicated: 1024 },
    network_device: { bridge: "vmbr0" },
    operating_system: { type: "l26" },
  };
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ0bmFtZW9mYW5leGFtcGxla2V5Zm9ydGVzdHMx test";
  return JSON.stringify({
    terraform: { required_providers: { proxmox: { source: "bpg/proxmox", version: PROVIDER_VERSION } } },
    provider: { proxmox: { endpoint, api_token: apiToken, insecure: true } },
    resource: {
      proxmox_virtual_environment_pool: { web: { pool_id: "web", comment: "made by terraform" } },
      proxmox_virtual_environment_vm: {
        one: {
          ...common,
          name: "one",
          vm_id: 4000,
          tags: ["a", "b"],
          description: "managed by terraform",
          cpu: { cores, type: "x86-64-v2-AES" },
          disk: { interface: "scsi0", datastore_id: "nvme", size: 4, import_from: "local:import/debian-13.qcow2", file_format: "raw" },
          initialization: {
            datastore_id: "nvme",
            ip_config: { ipv4: { address: "192.0.2.10/24", gateway: "192.0.2.1" } },
            user_account: { username: "admin", keys: [key] },
          },
        },
        two: {
          ...common,
          name: "two",
          vm_id: 4001,
          started: false,
          disk: { interface: "scsi0", datastore_id: "nvme", size: dataDiskGiB, file_format: "raw" },
        },
      },
    },
  });
}

async function start(): Promise<{ endpoint: string; token: string }> {
  const layout = smallLayout();
  const tokenid = "terraform@pve!test";
  const ams = layout.clusters[0]!;
  ams.tokens = [...(ams.tokens ?? []), { tokenid }];
  ams.acl = [...(ams.acl ?? []), { path: "/", role: "Administrator", subject: "terraform@pve" }];
  simulator = await startSimulator({ layout, timeScale: 500 });
  const cluster = simulator.clusters[0]!;
  directory = await mkdtemp(join(tmpdir(), "bpg-"));
  await useMirror(directory);
  return { endpoint: cluster.endpoints[0]!.url, token: `${tokenid}=${cluster.tokens[tokenid]}` };
}

describe.skipIf(missing !== undefined)("the bpg provider", () => {
  test("creates, keeps, changes and destroys VMs with disks and cloud-init", async () => {
    const { endpoint, token } = await start();
    const { clusters, backends } = simulator!.world.state;
    const ams = clusters.ams!;
    const write = (settings: VmSettings) => writeFile(join(directory!, "main.tf.json"), configuration(endpoint, token, settings));
    await write({ cores: 2, dataDiskGiB: 2 });
    await inDirectory("init");
    await inDirectory("apply", "-auto-approve");
    expect(ams.guests[4000]).toMatchObject({
      running: true,
      config: { name: "one", cores: "2", tags: "a;b", description: "managed by terraform", ciuser: "admin" },
    });
    expect(ams.guests[4000]!.config.scsi0).toContain("size=4G");
    expect(ams.guests[4001]).toMatchObject({ running: false, config: { name: "two" } });
    expect([...ams.pools.web!.vms].sort()).toEqual([4000, 4001]);
    expect(await inDirectory("plan", "-detailed-exitcode")).toContain("No changes.");
    await write({ cores: 4, dataDiskGiB: 3 });
    expect(await inDirectory("apply", "-auto-approve")).toContain("0 added, 2 changed, 0 destroyed");
    expect(ams.guests[4000]).toMatchObject({ running: true, config: { cores: "4" } });
    expect(ams.guests[4001]!.config.scsi0).toContain("size=3G");
    expect(await inDirectory("plan", "-detailed-exitcode")).toContain("No changes.");
    await inDirectory("destroy", "-auto-approve");
    expect(Object.keys(ams.guests)).toEqual([]);
    expect(ams.pools.web).toBeUndefined();
    expect(Object.keys(backends["ams-1-nvme"]!.volumes)).toEqual([]);
  });
});
