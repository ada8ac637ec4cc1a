"use strict";
/**
 * Clusters of many guests that answer what `status` asks, each call after a fixed time: a child process, so that their work
 * is not the measured process's. Prints one line of JSON, then serves until it is killed.
 *
 * node bench/cli/clusters.cjs <clusters> <guests each> <milliseconds per answer>
 */
const { X509Certificate } = require("node:crypto");
const { createServer } = require("node:https");
const { generate } = require("selfsigned");

const [clusterCount, guestCount, latencyMs] = process.argv.slice(2).map(Number);
const GIB = 1024 ** 3;

function resourcesOf(cluster) {
  const nodes = Array.from({ length: 5 }, (_, index) => `n${cluster}-${index + 1}`);
  const guest = (index) => ({
    type: "qemu",
    id: `qemu/${100 + index}`,
    vmid: 100 + index,
    node: nodes[index % nodes.length],
    name: `vm-${index}`,
    status: index % 10 === 0 ? "stopped" : "running",
    template: 0,
    tags: "fed-0123456789abcdef;web",
    pool: "production",
    maxcpu: 2,
    cpu: 0.1,
    maxmem: 4 * GIB,
    mem: 2 * GIB,
    maxdisk: 32 * GIB,
    uptime: 1000,
  });
  return [
    ...nodes.map((node) => ({ type: "node", id: `node/${node}`, node, status: "online", maxcpu: 512, cpu: 0.2, maxmem: 1024 * GIB, mem: 300 * GIB })),
    ...nodes.map((node) => ({ type: "storage", id: `storage/${node}/nvme`, storage: "nvme", node, status: "available", shared: 0, plugintype: "zfspool", content: "images", disk: GIB, maxdisk: 4096 * GIB })),
    ...Array.from({ length: guestCount }, (_, index) => guest(index)),
  ];
}

const privileges = { "/": { "Sys.Audit": 1 }, "/vms": { "VM.Audit": 1 }, "/nodes": { "Sys.Audit": 1 } };

function answersOf(cluster) {
  const body = (data) => JSON.stringify({ data });
  return [
    [/\/version$/, body({ version: "9.0.3", release: "9.0", repoid: "x" })],
    [/\/access\/permissions$/, body(privileges)],
    [/\/cluster\/status$/, body([{ type: "cluster", name: `c${cluster}`, quorate: 1, nodes: 5 }])],
    [/\/cluster\/resources$/, body(resourcesOf(cluster))],
    [/\/nodes\/[^/]+\/tasks$/, body([])],
  ];
}

async function serve(cluster, { private: key, cert }) {
  const answers = answersOf(cluster);
  const server = createServer({ key, cert }, (request, response) => {
    const path = request.url.split("?")[0];
    const answer = answers.find(([pattern]) => pattern.test(path))?.[1];
    setTimeout(() => {
      response.writeHead(answer === undefined ? 501 : 200, { "content-type": "application/json" });
      response.end(answer ?? "{}");
    }, latencyMs);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

async function main() {
  const pair = await generate([{ name: "commonName", value: "127.0.0.1" }]);
  const ports = await Promise.all(Array.from({ length: clusterCount }, (_, index) => serve(index + 1, pair)));
  process.stdout.write(`${JSON.stringify({ ports, fingerprint: new X509Certificate(pair.cert).fingerprint256 })}\n`);
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
