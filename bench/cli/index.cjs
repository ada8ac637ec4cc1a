"use strict";
/**
 * node bench/cli/index.cjs; needs a build (dist/). How long the command line takes, beside what it cannot do without: a bare
 * node, and the slowest cluster. Medians; processor time of start-ups, which other work on the machine changes little.
 */
const { spawn, spawnSync } = require("node:child_process");
const { mkdtempSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { bigFederation } = require("./big-federation.cjs");

const FEDERATE = join(__dirname, "../../dist/cli/federate.js");
const ROUNDS = 9;
const CLUSTERS = 10;
const GUESTS = 1000;
const LATENCY_MS = 250;

/** Processor time the process spends in its own code, and its whole time: as the shell tells them. */
function measure(args, environment = {}) {
  const { stderr, status } = spawnSync("bash", ["-c", 'TIMEFORMAT="%U %R"; time "$@" >/dev/null 2>/dev/null', "bench", process.execPath, ...args], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C", ...environment },
  });
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}`);
  const [userSeconds, realSeconds] = stderr.trim().split(/\s+/).slice(-2).map(Number);
  return { userMs: userSeconds * 1000, realMs: realSeconds * 1000 };
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Taken in turn, so that what else the machine does meets all of them. */
function compare(cases) {
  const rounds = Array.from({ length: ROUNDS }, () => cases.map(([, args, environment]) => measure(args, environment)));
  return cases.map(([name], index) => ({
    name,
    userMs: median(rounds.map((round) => round[index].userMs)),
    realMs: median(rounds.map((round) => round[index].realMs)),
  }));
}

function print(rows) {
  const [base] = rows;
  for (const { name, userMs, realMs } of rows)
    console.log(
      `${name.padEnd(44)} user ${userMs.toFixed(0).padStart(5)} ms (+${(userMs - base.userMs).toFixed(0)})   real ${realMs.toFixed(0).padStart(5)} ms (x${(realMs / base.realMs).toFixed(2)})`,
    );
}

function clusterYaml(ports, fingerprint) {
  const clusters = ports.map((port, index) =>
    [
      `  - id: c${index + 1}`,
      "    connection:",
      `      api_url: https://127.0.0.1:${port}`,
      `      fingerprint: ${fingerprint}`,
      "      token_id: iac@pve!bench",
      "      token_secret_env: BENCH_TOKEN",
      "    storage: { primary_storage: nvme }",
    ].join("\n"),
  );
  return `name: bench\nclusters:\n${clusters.join("\n")}\n`;
}

async function firstLine(child) {
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes("\n")) return JSON.parse(text.slice(0, text.indexOf("\n")));
  }
  throw new Error("the clusters did not start");
}

async function benchStatus(directory) {
  const child = spawn(process.execPath, [join(__dirname, "clusters.cjs"), CLUSTERS, GUESTS, LATENCY_MS].map(String), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const { ports, fingerprint } = await firstLine(child);
    const file = (name, used) => {
      const path = join(directory, name);
      writeFileSync(path, clusterYaml(used, fingerprint));
      return path;
    };
    const environment = { BENCH_TOKEN: "00000000-0000-0000-0000-000000000000" };
    console.log(`\nstatus, ${GUESTS} guests per cluster, ${LATENCY_MS} ms per answer`);
    print(
      compare([
        ["one cluster", [FEDERATE, "status", "-c", file("one.yaml", ports.slice(0, 1))], environment],
        [`${CLUSTERS} clusters`, [FEDERATE, "status", "-c", file("all.yaml", ports)], environment],
      ]),
    );
  } finally {
    child.kill();
  }
}

async function main() {
  const directory = mkdtempSync(join(tmpdir(), "bench-cli-"));
  try {
    const text = bigFederation();
    const big = join(directory, "big.yaml");
    writeFileSync(big, text);
    console.log(`start-up, node ${process.version}`);
    print(
      compare([
        ["bare node", ["-e", "0"]],
        ["federate --help", [FEDERATE, "--help"]],
        [`federate validate, ${text.split("\n").length} lines`, [FEDERATE, "validate", "-c", big]],
      ]),
    );
    await benchStatus(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
