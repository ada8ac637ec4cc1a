"use strict";
const { execFileSync } = require("node:child_process");
const { join } = require("node:path");
const { parseArgs } = require("node:util");
const { federation, guests, poolOf } = require("./fleet.cjs");
const { CASES } = require("./scale-cases.cjs");

const HELP = `npm run bench:placement -- scale [--guests N] [--nodes N] [--case NAME]

Times and memory of the joint placement, each case in a process of its own without warm-up, and a check that the fast ways
give the plan of the full scan. Judge by CPU time; wall time counts what else the machine does. "x ref" is the CPU time
in units of a fixed piece of work measured in the same process: that figure can be compared between machines and days.

  --guests N   how many guests (default 100000)
  --nodes N    how many nodes (default 2000)
  --case NAME  only that one: ${Object.keys(CASES).join(", ")}
  --help       this text`;

const GOAL_MIB = 300;
/** Guests whose plan by full scan is compared: the whole would take minutes. */
const COMPARED = 2000;

function run(args) {
  const { values } = parseArgs({
    args,
    options: {
      guests: { type: "string", default: "100000" },
      nodes: { type: "string", default: "2000" },
      case: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const names = values.case === undefined ? Object.keys(CASES) : [values.case];
  for (const name of names) if (!Object.hasOwn(CASES, name)) throw new Error(`there is no case "${name}"\n${HELP}`);
  const size = [wholeNumber(values.guests, "--guests"), wholeNumber(values.nodes, "--nodes")];
  console.log(`${size[0]} guests on ${size[1]} nodes; goals for 100000 on 2000, in ms of one otherwise idle core`);
  console.log("  goal ms    cpu ms   wall ms    x ref  peak MiB (goal 300)  case");
  for (const name of names) printRow(CASES[name], runCase(name, size));
  if (values.case === undefined) compareWithScan(size[1]);
}

function wholeNumber(text, option) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${option} is ${text}, a whole number above 0 expected`);
  return value;
}

function runCase(name, size) {
  const worker = join(__dirname, "scale-worker.cjs");
  return JSON.parse(execFileSync(process.execPath, ["--expose-gc", worker, name, ...size.map(String)], { encoding: "utf8" }));
}

function printRow({ title, goalMs }, { cpuMs, wallMs, referenceMs, peakRssMiB, inputsMiB, resultMiB }) {
  const cell = (value, width, digits = 0) => value.toFixed(digits).padStart(width);
  const memory = `${cell(peakRssMiB, 5)} ${peakRssMiB <= GOAL_MIB ? "   " : "(!)"} inputs ${cell(inputsMiB, 3)}, result ${cell(resultMiB, 3)}`;
  const mark = cpuMs <= goalMs ? " " : "!";
  console.log(`${mark} ${cell(goalMs, 7)} ${cell(cpuMs, 9, 1)} ${cell(wallMs, 9, 1)} ${cell(cpuMs / referenceMs, 8, 3)} ${memory}  ${title}`);
}

/** For every way of searching: the same plan as the full scan, and how much less it costs. */
function compareWithScan(nodeCount) {
  const { placeMany } = require("../../dist/placement/index.js");
  const inventory = federation(nodeCount);
  for (const [title, shapes] of [
    ["64 shapes (ranking)", 64],
    ["every shape its own (bounds)", 0],
  ]) {
    const requests = guests(COMPARED, shapes, poolOf(inventory));
    const timed = (search) => {
      const from = process.cpuUsage().user;
      const plan = JSON.stringify(placeMany(requests, inventory, { search }));
      return { plan, ms: (process.cpuUsage().user - from) / 1000 };
    };
    const scan = timed("scan");
    const fast = timed("fast");
    if (scan.plan !== fast.plan) throw new Error(`${title}: not the plan of the full scan`);
    console.log(`${COMPARED} guests, ${title}: the plan of the full scan in ${(fast.ms / scan.ms).toFixed(3)} of its CPU time`);
  }
}

module.exports = { run };
