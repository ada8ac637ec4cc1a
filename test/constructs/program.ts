/** A small CDKTF program for tests, in a directory of its own with its federation.yaml. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, LocalBackend, TerraformStack } from "cdktf";
import { FederatedVms, type FederatedVmsProps, Federation, type FederationOptions } from "../../src/constructs";

export const EXAMPLE = join(__dirname, "../../examples/multi-site/federation.yaml");
export const SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ0bmFtZW9mYW5leGFtcGxla2V5Zm9ydGVzdHMx test";
export const EMPTY_LOCK = JSON.stringify({ version: 1, federation: "acme", vms: {} });

export interface Workspace {
  directory: string;
  file: string;
  lockFile: string;
  /** Rewrites federation.yaml. */
  edit(change: (text: string) => string): Promise<void>;
  remove(): Promise<void>;
}

/** @param lock text of the lock file; absent: none */
export async function workspace(lock?: string): Promise<Workspace> {
  const directory = await mkdtemp(join(tmpdir(), "constructs-"));
  const file = join(directory, "federation.yaml");
  await copyFile(EXAMPLE, file);
  const lockFile = join(directory, "federation.lock.json");
  if (lock !== undefined) await writeFile(lockFile, lock);
  return {
    directory,
    file,
    lockFile,
    edit: async (change) => writeFile(file, change(await readFile(file, "utf8"))),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

const web = {
  cores: 2,
  memory: "4GiB",
  disks: [{ size: "16GiB", storageClass: "fast", discard: true }],
  networks: [{ network: "lan" }],
  image: "debian-12",
  tags: ["web"],
  antiAffinity: ["web"],
};

export const VMS: FederatedVmsProps["vms"] = {
  "web-1": web,
  "web-2": {
    ...web,
    cloudInit: {
      user: "admin",
      sshKeys: [SSH_KEY],
      ipConfigs: ["ip=192.0.2.10/24,gw=192.0.2.1"],
      nameservers: ["192.0.2.1"],
    },
  },
  "db-1": {
    cores: 4,
    memory: "16GiB",
    balloon: "8GiB",
    disks: [{ size: "20GiB" }, { size: "64GiB", ssd: true }],
    networks: [{ network: "lan" }],
  },
};

export interface Program {
  app: App;
  stack: TerraformStack;
  vms: FederatedVms;
}

export function program(federation: Federation, outdir: string, props: Partial<FederatedVmsProps> = {}): Program {
  const app = new App({ outdir });
  const stack = new TerraformStack(app, "prod");
  // By default cdktf puts the state into the working directory.
  new LocalBackend(stack, { path: join(outdir, "terraform.tfstate") });
  const vms = new FederatedVms(stack, "vms", { federation, pool: "production-pool", vms: VMS, ...props });
  return { app, stack, vms };
}

/** The synthesized JSON of the stack; the lock file is written too. */
export async function synthesize(options: FederationOptions, outdir: string, props: Partial<FederatedVmsProps> = {}): Promise<string> {
  const federation = await Federation.load(options);
  await federation.synth(program(federation, outdir, props).app);
  return readFile(join(outdir, "stacks", "prod", "cdk.tf.json"), "utf8");
}
