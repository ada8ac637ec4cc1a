#!/usr/bin/env node
/**
 * The sweep: every operation of the provider, disturbed at every API call by every fault, on the simulator. Prints how many
 * points were tried and how each failed one is tried again. Takes hours; `npm test` runs a sample of it.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureBuild } from "./setup/index.mjs";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");
const help = `npm run chaos [-- options]

  --only <scenario>[:<index>[:<fault>]]   just these points, e.g. "vm move cold:17:kill-after"; * stands for any
  --points <n>                            at most so many points of each scenario, spread evenly
  --shard <i>/<n>                         the i-th of n parts of all points
  --jobs <n>                              parts that run side by side (default: one per core, at most 4)
  --in-memory                             the quick sweeps over the fakes too`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    points: { type: "string" },
    shard: { type: "string", default: "1/1" },
    jobs: { type: "string" },
    "in-memory": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(help);
  process.exit(0);
}
const [, index, count] = /^([1-9]\d*)\/([1-9]\d*)$/.exec(values.shard) ?? [];
if (index === undefined || Number(index) > Number(count))
  fail(`--shard is ${values.shard}: give the part and how many there are, such as 1/4`);
for (const key of ["points", "jobs"])
  if (values[key] !== undefined && !/^[1-9]\d*$/.test(values[key])) fail(`--${key} is ${values[key]}: give a number`);
// One point, or a few, are not worth a second simulator.
const jobs = Number(values.jobs ?? (values.only?.split(":")[1] ? 1 : Math.min(4, availableParallelism())));

await ensureBuild(root, (line) => console.error(line));
const codes = [];
if (values["in-memory"]) codes.push(await vitest(["--exclude", "test/chaos/sweep.test.ts"], {}));
const parts = Array.from({ length: jobs }, (_, job) =>
  vitest(["test/chaos/sweep.test.ts"], {
    CHAOS_ALL: "1",
    CHAOS_SHARD: `${(Number(index) - 1) * jobs + job + 1}/${Number(count) * jobs}`,
    ...(values.only === undefined ? {} : { CHAOS_ONLY: values.only }),
    ...(values.points === undefined ? {} : { CHAOS_POINTS: String(Math.max(1, Math.floor(Number(values.points) / jobs))) }),
  }),
);
codes.push(...(await Promise.all(parts)));
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;

function vitest(args, env) {
  const script = join(root, "node_modules", "vitest", "vitest.mjs");
  const child = spawn(process.execPath, [script, "run", "--project", "chaos", ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
}

function fail(message) {
  console.error(`${message}\n\n${help}`);
  process.exit(2);
}
