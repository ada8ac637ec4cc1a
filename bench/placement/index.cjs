"use strict";
/** node bench/placement/index.cjs [scale | roadef … | repair]; needs a build (dist/). */
const [, , name = "scale", ...args] = process.argv;

const runners = {
  scale: () => require("./scale.cjs").run(args),
  repair: () => require("./repair.cjs").run(args),
  roadef: () => require("./roadef.cjs").run(args),
};

const runner = Object.hasOwn(runners, name) ? runners[name] : undefined;
async function main() {
  if (runner === undefined) throw new Error(`there is no benchmark "${name}"; there are: ${Object.keys(runners).join(", ")}`);
  await runner();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
