"use strict";
/**
 * node bench/placement/index.cjs repair [--cases N] [--seed N] [--steps N]
 *
 * Bytes that a repair moves, against the optimum that HiGHS proves, on random federations of up to 12 nodes: with only those
 * moving that must, and with others making room.
 */
const { parseArgs } = require("node:util");
const { repairCase } = require("./repair-cases.cjs");

async function run(args) {
  const options = { cases: { type: "string", default: "200" }, seed: { type: "string", default: "1" }, steps: { type: "string" }, verbose: { type: "boolean" } };
  const { values } = parseArgs({ args, options });
  const { repairPlacement, solveExactly } = require("../../dist/placement/index.js");
  const { loadHighs } = require("../../dist/solver/index.js");
  const solver = await loadHighs();
  const steps = values.steps === undefined ? undefined : Number(values.steps);
  for (const makeRoom of [false, true]) {
    const tally = { cases: 0, unfinished: 0, optimal: 0, proven: 0, beyond: 0, worst: 1, leftOut: 0, searchMs: 0, exactMs: 0, steps };
    for (let index = 0; index < Number(values.cases); index++) {
      await compare(Number(values.seed) + index, makeRoom, steps);
    }
    report(makeRoom, tally);

    async function compare(seed, room, limit) {
      const { requests, inventory } = repairCase(seed);
      const choice = { makeRoom: room, mostDisplaced: undefined, steps: limit };
      let started = performance.now();
      const found = repairPlacement(requests, inventory, choice);
      tally.searchMs += performance.now() - started;
      if (found.counts.moved + found.counts.rejected === 0) return;
      started = performance.now();
      let best;
      try {
        best = await solveExactly(requests, inventory, solver, choice);
      } catch (error) {
        if (error.code !== "unfinished") throw error;
        tally.unfinished += 1;
        return;
      }
      tally.exactMs += performance.now() - started;
      tally.cases += 1;
      const ratio = ratioOf(found, best);
      if (found.counts.rejected > best.counts.rejected) tally.leftOut += 1;
      if (found.isProven) tally.proven += 1;
      if (ratio === 1 && found.counts.rejected === best.counts.rejected) tally.optimal += 1;
      else if (values.verbose) console.log(seed, room, requests.length, show(found), show(best), ratio, found.isProven);
      if (found.counts.rejected === best.counts.rejected) {
        tally.worst = Math.max(tally.worst, ratio);
        if (ratio > 1.05) tally.beyond += 1;
      }
      if (found.counts.rejected < best.counts.rejected || ratio < 1) throw new Error(`seed ${seed}: better than the optimum; one of the two is wrong`);
    }
  }
}

/** Bytes between clusters first; where these are equal, those inside. */
function ratioOf(found, best) {
  if (found.counts.rejected !== best.counts.rejected) return 1;
  if (found.movedBytes !== best.movedBytes) return best.movedBytes === 0 ? Number.POSITIVE_INFINITY : found.movedBytes / best.movedBytes;
  return best.localBytes === 0 ? (found.localBytes === 0 ? 1 : Number.POSITIVE_INFINITY) : found.localBytes / best.localBytes;
}

function show({ counts, movedBytes, localBytes }) {
  return `${counts.moved}/${counts.rejected} ${movedBytes / 2 ** 30} ${localBytes / 2 ** 30}`;
}

function report(makeRoom, { cases, unfinished, optimal, proven, beyond, worst, leftOut, searchMs, exactMs }) {
  const percent = (amount) => `${((100 * amount) / Math.max(1, cases)).toFixed(1)} %`;
  console.log(makeRoom ? "others make room" : "only violators move");
  console.log(`  ${cases} cases to repair (${unfinished} more that HiGHS did not finish)`);
  console.log(`  optimal ${percent(optimal)}, proven by the search itself ${percent(proven)}, worst ratio of bytes ${worst.toFixed(4)}, above 1.05 in ${beyond} cases`);
  console.log(`  guests left without a place that the optimum has a place for: in ${leftOut} cases`);
  console.log(`  time of HiGHS / time of the search: ${(exactMs / searchMs).toFixed(1)}`);
}

module.exports = { run };
