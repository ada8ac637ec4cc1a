"use strict";
/**
 * node bench/placement/index.cjs roadef --model F --initial F --seconds S --out F [--seed N]
 *
 * Improves an assignment of the ROADEF/EURO 2012 challenge for the given time, checks the result with the checker beside
 * this file and writes it.
 */
const { readFileSync, writeFileSync } = require("node:fs");
const { parseArgs } = require("node:util");
const { check } = require("./roadef-checker.cjs");
const { formatAssignment, parseAssignment, parseModel } = require("./roadef-format.cjs");

/** Kept back for writing. The check of the result takes as long as that of the initial assignment, measured. */
const RESERVE_MS = 200;

function run(args) {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: "string" },
      initial: { type: "string" },
      seconds: { type: "string", default: "60" },
      out: { type: "string" },
      seed: { type: "string", default: "1" },
    },
  });
  for (const name of ["model", "initial", "out"]) {
    if (values[name] === undefined) throw new Error(`--${name} is missing; usage: roadef --model F --initial F --seconds S --out F [--seed N]`);
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error(`--seconds is ${values.seconds}, a number above 0 expected`);
  // The process has lived for a while already; the seconds count from its start.
  const elapsedMs = () => performance.now();
  const { search } = require("../../dist/placement/reassignment/search.js");
  const model = parseModel(readFileSync(values.model), values.model);
  const initial = parseAssignment(readFileSync(values.initial), model.processes, model.machines, values.initial);
  const checkStartedMs = elapsedMs();
  const before = check(model, initial, initial);
  if (before.broken.length > 0) throw new Error(`${values.initial} breaks a rule: ${before.broken[0]}`);
  const budgetMs = Math.max(1, seconds * 1000 - RESERVE_MS - (elapsedMs() - checkStartedMs));
  const result = search({ ...model, initial }, { seed: Number(values.seed), progress: () => elapsedMs() / budgetMs });
  const after = check(model, initial, result.assignment);
  if (after.broken.length > 0 || after.cost !== result.cost) {
    // Never to happen; but whoever waits for a file gets one that obeys the rules.
    writeFileSync(values.out, formatAssignment(initial));
    throw new Error(
      `the search is wrong: cost ${result.cost}, checked ${after.cost}, broken: ${after.broken[0] ?? "nothing"}; wrote the initial assignment`,
    );
  }
  writeFileSync(values.out, formatAssignment(result.assignment));
  console.log(JSON.stringify({ initialCost: before.cost, cost: after.cost, steps: result.steps, seconds: elapsedMs() / 1000 }));
}

module.exports = { run };
