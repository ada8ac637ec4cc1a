"use strict";
/**
 * node bench/placement/index.cjs scale [--guests N] [--nodes N]
 *
 * Times of one run on one machine, and their ratios, which are what may be compared between machines.
 */
const { parseArgs } = require("node:util");
const { applied, federation, guests, poolOf } = require("./fleet.cjs");

function run(args) {
  const { values } = parseArgs({ args, options: { guests: { type: "string", default: "100000" }, nodes: { type: "string", default: "2000" } } });
  const guestCount = Number(values.guests);
  const nodeCount = Number(values.nodes);
  const { PlacementSession, placeMany } = require("../../dist/placement/index.js");
  const inventory = federation(nodeCount);
  const pool = poolOf(inventory);
  const rows = [];
  const measure = (name, work) => {
    const started = performance.now();
    const result = work();
    rows.push({ name, ms: performance.now() - started });
    return result;
  };

  const requests = guests(guestCount, 64, pool);
  placeMany(requests.slice(0, 2000), inventory);
  const plan = measure("cold, 64 shapes", () => placeMany(requests, inventory));
  expectAll(plan, "placed", guestCount);
  const some = requests.slice(0, Math.ceil(guestCount / 20));
  const scanned = measure("cold, full scan, a twentieth of the guests", () => placeMany(some, inventory, { search: "scan" }));
  const heaped = measure("cold, heap, the same twentieth", () => placeMany(some, inventory));
  if (JSON.stringify(scanned) !== JSON.stringify(heaped)) throw new Error("heap and full scan disagree");

  const live = applied(inventory, requests, plan);
  expectAll(measure("replan, nothing changed", () => placeMany(live.requests, live.inventory)), "kept", guestCount);
  const session = measure("open a session on the live inventory", () => new PlacementSession(live.inventory));
  session.add({ ...requests[0], key: "warm-up", name: "warm-up" });
  measure("one more guest in the session", () => session.add({ ...requests[1], key: "extra", name: "extra" }));

  measure("cold, every shape its own", () => placeMany(guests(guestCount, 0, pool), inventory));
  measure("cold, 5,000 rules", () => placeMany(guests(guestCount, 64, poolOf(inventory, { rules: manyRules(5000) })), inventory));
  measure("cold, an anti-affinity group of 1,000", () => placeMany(withGroup(guests(guestCount, 64, spreadPool(inventory)), 1000), inventory));

  const unit = rows[0].ms;
  for (const { name, ms } of rows) console.log(`${ms.toFixed(1).padStart(9)} ms  ${(ms / unit).toFixed(3).padStart(8)} x  ${name}`);
  console.log(`${Math.round(process.memoryUsage().rss / 2 ** 20).toString().padStart(9)} MiB resident at the end`);
}

function expectAll(plan, outcome, count) {
  if (plan.counts[outcome] !== count) throw new Error(`expected ${count} guests ${outcome}, got ${JSON.stringify(plan.counts)}`);
}

function manyRules(count) {
  return Array.from({ length: count }, (_, index) =>
    index % 2 === 0
      ? { type: "anti-affinity", operator: "must", target: "tag", value: `group-${index}` }
      : { type: "affinity", operator: "should_not", target: "cluster", value: `cluster-${index}`, weight: 1 + (index % 100) },
  );
}

function spreadPool(inventory) {
  return poolOf(inventory, { rules: [{ type: "anti-affinity", operator: "must", target: "tag", value: "group" }] });
}

function withGroup(requests, members) {
  return requests.map((request, index) => (index < members ? { ...request, tags: ["group"] } : request));
}

module.exports = { run };
