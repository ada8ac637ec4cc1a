"use strict";
/** The cases of `scale`: each prepares its inputs, then says what is to be measured. */
const { applied, federation, guests, poolOf } = require("./fleet.cjs");

const GROUP = { type: "anti-affinity", operator: "must", target: "tag", value: "group" };

/** `goalMs`: what issue and docs promise on an idle machine; `cpuMs` is judged against it. */
const CASES = {
  cold: { title: "cold, 64 shapes", goalMs: 1000, prepare: (size) => placing(size, fleet(size, 64)) },
  explained: { title: "cold with all explanations", goalMs: 2000, prepare: (size) => explaining(size, fleet(size, 64)) },
  replan: { title: "replan, nothing changed", goalMs: 150, prepare: (size) => replanning(size, liveFleet(size)) },
  "replan-copied": {
    title: "the same, each request a copy by { ...request, prior }",
    goalMs: 150,
    prepare: (size) => replanning(size, copied(liveFleet(size))),
  },
  "one-more": { title: "one more guest in an open session, not the first of its kind", goalMs: 5, prepare: oneMore },
  distinct: { title: "cold, every shape its own", goalMs: 1000, prepare: (size) => placing(size, fleet(size, 0)) },
  rules: { title: "cold, 5,000 rules of the pool that bind few", goalMs: 1000, prepare: (size) => placing(size, fleet(size, 64, manyRules(5000))) },
  "rules-bind": { title: "cold, 5,000 rules, every guest bound by one", goalMs: 1000, prepare: (size) => placing(size, boundByRules(size)) },
  group: { title: "cold, an anti-affinity group of 1,000, or of as many as there are nodes", goalMs: 1000, prepare: (size) => placing(size, withGroup(size, Math.min(1000, size.nodeCount))) },
  "distinct-explained": {
    title: "cold with all explanations, every shape its own",
    goalMs: 2000,
    prepare: (size) => explaining(size, fleet(size, 0)),
  },
};

function engine() {
  return require("../../dist/placement/index.js");
}

function fleet({ guestCount, nodeCount }, shapes, rules = []) {
  const inventory = federation(nodeCount);
  return { inventory, requests: guests(guestCount, shapes, poolOf(inventory, { rules })) };
}

function placing({ guestCount }, { inventory, requests }) {
  const { placeMany } = engine();
  return () => expectAll(placeMany(requests, inventory), "placed", guestCount);
}

function explaining({ guestCount }, { inventory, requests }) {
  const { placeManyExplained } = engine();
  return () => {
    const plan = expectAll(placeManyExplained(requests, inventory), "placed", guestCount);
    return { plan, figures: plan.figures() };
  };
}

function replanning(size, live) {
  return () => expectAll(engine().placeMany(live.requests, live.inventory), "kept", size.guestCount);
}

function oneMore(size) {
  const { PlacementSession } = engine();
  const { inventory, requests } = liveFleet(size);
  const session = new PlacementSession(inventory);
  session.add({ ...requests[0], prior: undefined, key: "first", name: "first" });
  return () => {
    const decision = session.add({ ...requests[1], prior: undefined, key: "extra", name: "extra" });
    if (decision.outcome !== "placed") throw new Error(decision.message);
    return decision;
  };
}

/** The federation as it is once a plan has been carried out. */
function liveFleet(size) {
  const { inventory, requests } = fleet(size, 64);
  return applied(inventory, requests, engine().placeMany(requests, inventory));
}

function copied({ inventory, requests }) {
  return { inventory, requests: requests.map(({ prior, ...request }) => ({ ...request, prior })) };
}

function manyRules(count) {
  return Array.from({ length: count }, (_, index) =>
    index % 2 === 0
      ? { type: "anti-affinity", operator: "must", target: "tag", value: `group-${index}` }
      : { type: "affinity", operator: "should_not", target: "cluster", value: `cluster-${index}`, weight: 1 + (index % 100) },
  );
}

function boundByRules(size) {
  const { inventory, requests } = fleet(size, 64, manyRules(5000));
  return { inventory, requests: requests.map((request, index) => ({ ...request, tags: [`group-${2 * (index % 2500)}`] })) };
}

function withGroup(size, members) {
  const { inventory, requests } = fleet(size, 64, [GROUP]);
  return { inventory, requests: requests.map((request, index) => (index < members ? { ...request, tags: ["group"] } : request)) };
}

function expectAll(plan, outcome, count) {
  if (plan.counts[outcome] !== count) throw new Error(`expected ${count} guests ${outcome}, got ${JSON.stringify(plan.counts)}`);
  return plan;
}

module.exports = { CASES };
