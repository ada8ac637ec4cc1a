import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureEngine, pulumiEnvironment } from "../setup/index.mjs";
import { tell } from "./narration.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
const require = createRequire(join(root, "package.json"));
const project = join(root, "examples", "multi-site");
/** Simulated hours pass in seconds; real clusters take what disks and lines take. */
const TIME_SCALE = 60;
const WRITTEN_BLOCKS = 200;
/** scsi16 is where the ProxmoxDisk is attached. */
const WRITTEN_DISKS = [
  ["web-1", "scsi0"],
  ["web-2", "scsi0"],
  ["db-1", "scsi0"],
  ["db-1", "scsi16"],
];

export async function createDemo() {
  const { layoutFromFederation, startSimulator } = require("./dist/simulator/index.js");
  const { environmentOf } = require("./dist/cli/simulate.js");
  const { pointAtSimulator } = require("./dist/cli/simulated-config.js");
  const { parseFederation } = require("./dist/config/index.js");
  const engine = await ensureEngine(root, tell);
  const stateDir = mkdtempSync(join(tmpdir(), "proxmox-federation-demo-"));
  const text = readFileSync(join(project, "federation.yaml"), "utf8");
  const { federation } = await parseFederation(text, join(project, "federation.yaml"));
  const simulator = await startSimulator({ layout: layoutFromFederation(federation), timeScale: TIME_SCALE });
  const file = join(stateDir, "federation.yaml");
  writeFileSync(file, pointAtSimulator(text, simulator.clusters));
  const credentials = Object.assign({}, ...simulator.clusters.map((cluster) => environmentOf(federation, cluster)));
  const env = { ...pulumiEnvironment({ engine, workDir: root, stateDir }), ...credentials, FEDERATION_CONFIG: file };
  const demo = new Demo({ engine, simulator, stateDir, file, env, credentials });
  try {
    await demo.initialize();
  } catch (error) {
    await demo.stop();
    throw error;
  }
  return demo;
}

class Demo {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** The stack's configuration is kept with the state, so that the example folder stays as it is. */
  async initialize() {
    this.configDir = join(this.stateDir, "project");
    cpSync(join(root, "Pulumi.yaml"), join(this.configDir, "Pulumi.yaml"));
    await this.run(["stack", "init", "demo"], this.configDir, "quiet");
  }

  pulumi(command, ...args) {
    tell(`$ pulumi ${[command, ...args].join(" ")}`);
    return this.run(
      [command, ...args, "--stack", "demo", "--config-file", join(this.configDir, "Pulumi.demo.yaml"), "--suppress-permalink=true"],
      root,
      "show",
    );
  }

  /** Ends what runs; nothing further is started. */
  interrupt() {
    this.interrupted = true;
    this.child?.kill("SIGINT");
  }

  run(args, cwd, output) {
    if (this.interrupted) return Promise.reject(new Error("interrupted"));
    return new Promise((resolve, reject) => {
      const stdio = output === "show" ? ["ignore", "inherit", "inherit"] : ["ignore", "ignore", "inherit"];
      const child = spawn(this.engine.pulumi, [...args, "--non-interactive"], { cwd, env: this.env, stdio });
      this.child = child;
      child.once("error", reject);
      child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`pulumi ${args[0]} ended with exit code ${code}`))));
    });
  }

  async admin(method, path, body) {
    const reply = await fetch(this.simulator.adminUrl + path, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}: ${await reply.text()}`);
    return reply.json();
  }

  describeClusters() {
    for (const { id, era, endpoints } of this.simulator.clusters)
      tell(`  ${id.padEnd(17)} Proxmox VE ${era}   ${endpoints.map(({ node, url }) => `${node} ${url}`).join("   ")}`);
    tell(`  admin API         ${this.simulator.adminUrl} (faults, clock, checksums, events)`);
  }

  async guestNamed(name) {
    const guest = (await this.admin("GET", "/guests")).find((candidate) => candidate.name === name && !candidate.template);
    if (!guest) throw new Error(`no running guest named ${name}`);
    return guest;
  }

  /** Blocks of its own on every disk that will move, so that each can be told apart afterwards. */
  async writeData() {
    for (const [name, disk] of WRITTEN_DISKS) {
      const guest = await this.guestNamed(name);
      await this.admin("POST", `/guests/${guest.cluster}/${guest.vmid}/write`, { disk, blocks: WRITTEN_BLOCKS, seed: `${name} ${disk}` });
      tell(`  ${name} (vm ${guest.vmid} on ${guest.cluster}/${guest.node}) wrote ${WRITTEN_BLOCKS} blocks of 4 MiB to ${disk}`);
    }
    return this.checksums();
  }

  async drain(cluster) {
    const { setClusterStatus } = require("./dist/cli/simulated-config.js");
    writeFileSync(this.file, setClusterStatus(readFileSync(this.file, "utf8"), cluster, "draining"));
    tell(`  clusters[id=${cluster}].status: draining`);
  }

  /** Sorted checksums of the guests' disks, images and archives left out. */
  async checksums() {
    const disks = await this.admin("GET", "/checksums");
    return disks
      .filter((disk) => disk.vmid !== 0 && disk.drive === undefined)
      .map(({ sha256, blockCount, volids }) => ({ sha256, blockCount, where: volids[0] }));
  }

  async proveData(before) {
    const after = await this.checksums();
    for (const disk of before) {
      const found = after.find((candidate) => candidate.sha256 === disk.sha256);
      if (!found) throw new Error(`the data of ${disk.where.cluster} ${disk.where.volid} is nowhere any more`);
      if (found.where.cluster === disk.where.cluster) continue;
      tell(
        `  ${disk.sha256.slice(0, 16)}…  ${String(disk.blockCount).padStart(4)} blocks   ${disk.where.cluster} ${disk.where.volid}  →  ${found.where.cluster} ${found.where.volid}`,
      );
    }
    const left = after.filter((disk) => disk.where.cluster === "worldstream-prod");
    if (left.length > 0) throw new Error(`worldstream-prod still holds ${left.map((disk) => disk.where.volid).join(", ")}`);
    tell("  every block arrived, and worldstream-prod is empty");
  }

  async proveEmpty() {
    const guests = await this.admin("GET", "/guests");
    const disks = await this.admin("GET", "/checksums");
    const left = [
      ...guests.map((guest) => `vm ${guest.vmid} on ${guest.cluster}`),
      ...disks.filter((disk) => disk.vmid !== 0).map((disk) => disk.volname),
    ];
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    tell("  no guest, disk or archive is left");
  }

  describeUse() {
    const names = [
      ...Object.keys(this.credentials),
      "FEDERATION_CONFIG",
      "PATH",
      "PULUMI_HOME",
      "PULUMI_BACKEND_URL",
      "PULUMI_CONFIG_PASSPHRASE",
    ];
    tell("  In another terminal, in this folder:\n");
    for (const name of names) tell(`  export ${name}='${this.env[name]}'`);
    tell(`\n  Then edit ${this.file} and run, for example:\n`);
    tell(`  pulumi preview --diff --stack demo --config-file ${join(this.configDir, "Pulumi.demo.yaml")}`);
    tell("\n  Ctrl-C here stops the clusters and removes the stack.");
  }

  async stop() {
    await this.simulator.stop();
    rmSync(this.stateDir, { recursive: true, force: true, maxRetries: 5 });
  }
}
