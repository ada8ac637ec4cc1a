"use strict";
/**
 * One case in a process of its own: node --expose-gc scale-worker.cjs CASE GUESTS NODES. Nothing is warmed up; the result
 * is one line of JSON.
 */
const { CASES } = require("./scale-cases.cjs");

const [name, guestCount, nodeCount] = process.argv.slice(2);

/** A fixed piece of work of the same kind (sums, hashes, reads all over the memory): what a time is compared with. */
function reference() {
  const cells = new Float64Array(1 << 21);
  let place = 1;
  let sum = 0;
  for (let step = 0; step < 4_000_000; step++) {
    place = (Math.imul(place, 1664525) + 1013904223) >>> 0;
    const cell = place & (cells.length - 1);
    cells[cell] += step;
    sum += cells[(cell * 7) & (cells.length - 1)];
  }
  return sum;
}

function measure(work) {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const result = work();
  const wallMs = performance.now() - started;
  const used = process.cpuUsage(cpu);
  return { result, wallMs, cpuMs: (used.user + used.system) / 1000 };
}

const size = { guestCount: Number(guestCount), nodeCount: Number(nodeCount) };
const inputsFrom = process.memoryUsage().heapUsed;
const work = CASES[name].prepare(size);
global.gc();
const before = process.memoryUsage().heapUsed;
const first = measure(reference);
const { result, wallMs, cpuMs } = measure(work);
const second = measure(reference);
global.gc();
const heap = process.memoryUsage().heapUsed;
if (result === undefined) throw new Error(`case ${name} gives no result, so its memory means nothing`);
console.log(
  JSON.stringify({
    wallMs,
    cpuMs,
    referenceMs: (first.cpuMs + second.cpuMs) / 2,
    inputsMiB: (before - inputsFrom) / 2 ** 20,
    resultMiB: (heap - before) / 2 ** 20,
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
  }),
);
