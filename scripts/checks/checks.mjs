import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../setup/processes.mjs";

/**
 * Lint, layers and types of everything that is not compiled by the build.
 *
 * @param {string} root the repository
 * @param {(line: string) => void} log
 * @returns {Promise<string[]>} names of the checks that failed, whose output was shown
 */
export async function runChecks(root, log) {
  const failed = [];
  for (const [name, script, args] of listChecks(root)) {
    log(`${name} …`);
    const { code } = await run(process.execPath, [join(root, "node_modules", script), ...args], { cwd: root, output: "show" });
    if (code !== 0) failed.push(name);
  }
  return failed;
}

function listChecks(root) {
  const tsc = "typescript/bin/tsc";
  const projects = ["test", ...listExamples(root)].filter((folder) => existsSync(join(root, folder, "tsconfig.json")));
  return [
    ["lint", "@biomejs/biome/bin/biome", ["check", "."]],
    ["layers", "dependency-cruiser/bin/dependency-cruise.mjs", ["--config", ".dependency-cruiser.cjs", "src"]],
    ...projects.map((folder) => [`types in ${folder}`, tsc, ["--noEmit", "-p", folder]]),
  ];
}

function listExamples(root) {
  const folder = join(root, "examples");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `examples/${entry.name}`);
}
