import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startControlPlane } from "../kubernetes/control-plane.mjs";
import { StandIn } from "../kubernetes/stand-in.mjs";
import { ensureEngine, ensureKubernetes, pulumiEnvironment, run } from "../setup/index.mjs";
import { tell } from "./narration.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
const require = createRequire(join(root, "package.json"));
const project = join(root, "examples", "zoned-storage");
/** Simulated hours pass in seconds; real clusters take what disks and lines take. */
const timeScale = 120;
const patienceMs = 120_000;
const writtenBlocks = 100;
const namespace = "default";
const name = "database";

/** The example on simulated Proxmox clusters, under a real Kubernetes control plane. */
export async function createZonedDemo() {
  const parts = { stops: [] };
  try {
    await startParts(parts);
    return new ZonedDemo(parts);
  } catch (error) {
    await stopAll(parts.stops);
    throw error;
  }
}

async function startParts(parts) {
  const { layoutFromFederation, startSimulator } = require("./dist/simulator/index.js");
  const { environmentOf } = require("./dist/cli/simulate.js");
  const { pointAtSimulator } = require("./dist/cli/simulated-config.js");
  const { parseFederation } = require("./dist/config/index.js");
  const { createClusterClients } = require("./dist/inventory/index.js");
  parts.library = await import("@kubernetes/client-node");
  parts.engine = await ensureEngine(root, tell);
  const kubernetes = await ensureKubernetes(root, tell);
  parts.stateDir = mkdtempSync(join(tmpdir(), "proxmox-federation-demo-"));
  parts.stops.push(() => rmSync(parts.stateDir, { recursive: true, force: true, maxRetries: 5 }));

  const text = readFileSync(join(project, "federation.yaml"), "utf8");
  const { federation } = parseFederation(text, "federation.yaml");
  parts.simulator = await startSimulator({ layout: layoutFromFederation(federation), timeScale });
  parts.stops.push(() => parts.simulator.stop());
  const file = join(parts.stateDir, "federation.yaml");
  writeFileSync(file, pointAtSimulator(text, parts.simulator.clusters));
  const credentials = Object.assign({}, ...parts.simulator.clusters.map((cluster) => environmentOf(federation, cluster)));

  parts.controlPlane = await startControlPlane(kubernetes);
  parts.stops.push(() => parts.controlPlane.stop());
  parts.kubeconfig = new parts.library.KubeConfig();
  parts.kubeconfig.loadFromFile(parts.controlPlane.kubeconfig);

  const pointed = parseFederation(readFileSync(file, "utf8"), file).federation;
  const clients = createClusterClients({
    environment: credentials,
    readFile: async (path) => readFileSync(path, "utf8"),
    baseDir: parts.stateDir,
  });
  parts.stops.push(() => clients.close());
  const clusterOf = (region) => pointed.clusters.find((cluster) => cluster.region === region);
  parts.standIn = new StandIn({
    library: parts.library,
    kubeconfig: parts.kubeconfig,
    proxmox: (region) => clients.get(clusterOf(region)),
    clusterOf: (region) => clusterOf(region).id,
    simulator: parts.simulator,
  });
  parts.standIn.start();
  parts.stops.push(() => parts.standIn.stop());

  parts.env = {
    ...pulumiEnvironment({ engine: parts.engine, workDir: root, stateDir: parts.stateDir }),
    ...credentials,
    FEDERATION_CONFIG: file,
    KUBECONFIG: parts.controlPlane.kubeconfig,
  };
  parts.configDir = join(parts.stateDir, "project");
  cpSync(join(project, "Pulumi.yaml"), join(parts.configDir, "Pulumi.yaml"));
  const { code, stderr } = await run(parts.engine.pulumi, ["stack", "init", "demo", "--non-interactive"], {
    cwd: parts.configDir,
    env: parts.env,
  });
  if (code !== 0) throw new Error(`pulumi stack init failed: ${stderr}`);
}

async function stopAll(stops) {
  // What was started last uses what was started before.
  for (const stop of stops.toReversed()) await stop();
}

class ZonedDemo {
  constructor(parts) {
    Object.assign(this, parts);
    this.core = this.kubeconfig.makeApiClient(this.library.CoreV1Api);
    this.apps = this.kubeconfig.makeApiClient(this.library.AppsV1Api);
    this.storage = this.kubeconfig.makeApiClient(this.library.StorageV1Api);
  }

  /** @param {{ fails?: boolean }} [expectation] a refusal is part of the demo */
  async pulumi(args, { fails = false } = {}) {
    tell(`$ pulumi ${args.join(" ")}`);
    const config = ["--stack", "demo", "--config-file", join(this.configDir, "Pulumi.demo.yaml"), "--non-interactive"];
    const { code } = await run(this.engine.pulumi, [...args, ...config], { cwd: project, env: this.env, output: "show" });
    if ((code !== 0) !== fails) throw new Error(`pulumi ${args[0]} ended with exit code ${code}`);
    if (fails) tell("  refused, as it should be");
  }

  async configure(settings) {
    for (const [key, value] of Object.entries(settings)) await this.pulumi(["config", "set", key, value]);
  }

  async describeParts() {
    for (const { id, era, endpoints } of this.simulator.clusters)
      tell(`  ${id.padEnd(10)} Proxmox VE ${era}, nodes ${endpoints.map(({ node }) => node).join(", ")} (simulated)`);
    tell(`  Kubernetes ${this.controlPlane.server} (API server, controller manager, scheduler and etcd are the real ones)`);
    await this.storage.createStorageClass({ body: { metadata: { name: "proxmox-fast" }, provisioner: "csi.proxmox.sinextra.dev" } });
  }

  /** Makes the workers nodes of the cluster, as kubeadm and the cloud controller manager would. */
  async joinWorkers() {
    const regions = { amsterdam: "eu-ams", frankfurt: "eu-fra" };
    for (const guest of await this.admin("GET", "/guests")) {
      if (guest.template || !guest.name?.startsWith("worker-")) continue;
      const region = regions[guest.cluster];
      await this.standIn.join({ name: guest.name, region, zone: guest.node, vmid: guest.vmid });
      tell(`  ${guest.name}  region ${region}  zone ${guest.node}  proxmox://${region}/${guest.vmid}`);
    }
  }

  async startDatabase() {
    const labels = { app: name };
    await this.apps.createNamespacedStatefulSet({
      namespace,
      body: {
        metadata: { name },
        spec: {
          serviceName: name,
          replicas: 1,
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              terminationGracePeriodSeconds: 0,
              containers: [{ name: "main", image: "database.invalid/database", volumeMounts: [{ name: "data", mountPath: "/data" }] }],
              volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }],
            },
          },
        },
      },
    });
    await this.showPod();
  }

  async showPod(formerNode) {
    tell(`  pod ${name}-0 runs on ${await this.podNode(formerNode)}`);
  }

  /** Waits until the pod runs, somewhere else than on `formerNode`. */
  async podNode(formerNode) {
    const deadlineMs = Date.now() + patienceMs;
    for (;;) {
      const pod = (await this.core.listNamespacedPod({ namespace })).items[0];
      const node = pod?.spec.nodeName;
      if (pod?.status.phase === "Running" && node !== formerNode) return node;
      if (Date.now() > deadlineMs) throw new Error(`the pod does not run: ${JSON.stringify(pod?.status.conditions)}`);
      await delay(200);
    }
  }

  /** Drains the pod's worker: it comes up again on the other worker of the zone. */
  async moveInsideZone() {
    const before = await this.podNode();
    const cordon = (unschedulable) =>
      this.core.patchNode({ name: before, body: [{ op: "add", path: "/spec/unschedulable", value: unschedulable }] });
    await cordon(true);
    await this.core.deleteNamespacedPod({ namespace, name: `${name}-0` });
    await this.showPod(before);
    await cordon(false);
  }

  /** The database writes; what it wrote is what must arrive. */
  async writeData() {
    const node = await this.podNode();
    const guest = (await this.admin("GET", "/guests")).find((candidate) => candidate.name === node);
    await this.admin("POST", `/guests/${guest.cluster}/${guest.vmid}/write`, { disk: "scsi1", blocks: writtenBlocks, seed: name });
    tell(`  the database wrote ${writtenBlocks} blocks of 4 MiB`);
    return this.written();
  }

  async written() {
    const disks = await this.admin("GET", "/checksums");
    const found = disks.filter((disk) => disk.vmid !== 0 && disk.drive === undefined && disk.blockCount > 0);
    if (found.length !== 1) throw new Error(`expected one written disk, found ${found.map((disk) => disk.volname).join(", ") || "none"}`);
    return found[0];
  }

  async proveData(before) {
    const after = await this.written();
    if (after.sha256 !== before.sha256) throw new Error("the data has changed on the way");
    if (this.standIn.formatted.length !== 1) throw new Error("a blank disk was put in place of the data");
    tell(`  ${after.sha256.slice(0, 16)}…  ${after.blockCount} blocks  ${before.backend}  →  ${after.backend}`);
    return after;
  }

  async stopDatabase() {
    await this.apps.deleteNamespacedStatefulSet({ namespace, name });
    const deadlineMs = Date.now() + patienceMs;
    while ((await this.storage.listVolumeAttachment()).items.length > 0) {
      if (Date.now() > deadlineMs) throw new Error("the volume is not detached");
      await delay(200);
    }
  }

  async proveEmpty() {
    const guests = await this.admin("GET", "/guests");
    const volumes = (await this.core.listPersistentVolume()).items;
    if (guests.length > 0 || volumes.length > 0) throw new Error("something is left behind");
    tell("  no guest, disk or PersistentVolume is left");
  }

  async admin(method, path, body) {
    const reply = await fetch(this.simulator.adminUrl + path, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}: ${await reply.text()}`);
    return reply.json();
  }

  stop() {
    return stopAll(this.stops);
  }
}
