/**
 * The bpg provider for Terraform, a client nobody here wrote, against the simulator: apply, an empty
 * plan, a change in place, destroy. Needs `terraform` and the built provider; see docs/simulator.md.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { type Simulator, smallLayout, startSimulator } from "../../../src/simulator";

const run = promisify(execFile);
const providerVersion = "0.80.0";
const mirror = process.env.BPG_PROVIDER_MIRROR ?? join(homedir(), ".cache", "proxmox-federation", "terraform", "mirror");
const provider = join(mirror, "registry.terraform.io", "bpg", "proxmox", providerVersion);
const missing = !existsSync(provider)
  ? `the provider is not built: nothing at ${provider} (BPG_PROVIDER_MIRROR names another mirror)`
  : spawnSync("terraform", ["version"]).error
    ? "there is no terraform on PATH"
    : undefined;
if (missing !== undefined) console.log(`skipped: ${missing}`);

let simulator: Simulator | undefined;
let directory: string | undefined;

afterEach(async () => {
  await simulator?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true });
  simulator = undefined;
  directory = undefined;
});

/** Runs terraform in the working directory; throws with its output. */
async function terraform(...args: string[]): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    TF_CLI_CONFIG_FILE: join(directory!, "mirror.tfrc"),
    TF_IN_AUTOMATION: "1",
    CHECKPOINT_DISABLE: "1",
    ...(process.env.TF_LOG ? { TF_LOG: process.env.TF_LOG, TF_LOG_PATH: process.env.TF_LOG_PATH } : {}),
  };
  try {
    const { stdout } = await run("terraform", [...args, "-no-color"], { cwd: directory, env, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`terraform ${args.join(" ")} failed\n${stdout ?? ""}\n${stderr ?? String(error)}`);
  }
}

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
    terraform: { required_providers: { proxmox: { source: "bpg/proxmox", version: providerVersion } } },
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
  const installation = `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`;
  await writeFile(join(directory, "mirror.tfrc"), installation);
  return { endpoint: cluster.endpoints[0]!.url, token: `${tokenid}=${cluster.tokens[tokenid]}` };
}

describe.skipIf(missing !== undefined)("the bpg provider", () => {
  test("creates, keeps, changes and destroys VMs with disks and cloud-init", async () => {
    const { endpoint, token } = await start();
    const { clusters, backends } = simulator!.world.state;
    const ams = clusters.ams!;
    const write = (settings: VmSettings) => writeFile(join(directory!, "main.tf.json"), configuration(endpoint, token, settings));
    await write({ cores: 2, dataDiskGiB: 2 });
    await terraform("init");
    await terraform("apply", "-auto-approve");
    expect(ams.guests[4000]).toMatchObject({
      running: true,
      config: { name: "one", cores: "2", tags: "a;b", description: "managed by terraform", ciuser: "admin" },
    });
    expect(ams.guests[4000]!.config.scsi0).toContain("size=4G");
    expect(ams.guests[4001]).toMatchObject({ running: false, config: { name: "two" } });
    expect([...ams.pools.web!.vms].sort()).toEqual([4000, 4001]);
    expect(await terraform("plan", "-detailed-exitcode")).toContain("No changes.");
    await write({ cores: 4, dataDiskGiB: 3 });
    expect(await terraform("apply", "-auto-approve")).toContain("0 added, 2 changed, 0 destroyed");
    expect(ams.guests[4000]).toMatchObject({ running: true, config: { cores: "4" } });
    expect(ams.guests[4001]!.config.scsi0).toContain("size=3G");
    expect(await terraform("plan", "-detailed-exitcode")).toContain("No changes.");
    await terraform("destroy", "-auto-approve");
    expect(Object.keys(ams.guests)).toEqual([]);
    expect(ams.pools.web).toBeUndefined();
    expect(Object.keys(backends["ams-1-nvme"]!.volumes)).toEqual([]);
  });
});
