import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

vi.setConfig({ testTimeout: 60_000 });

const repository = join(__dirname, "..", "..");
const cruiser = join(repository, "node_modules", "dependency-cruiser", "bin", "dependency-cruise.mjs");

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "layers-"));
  for (const file of ["package.json", "tsconfig.json"]) cpSync(join(repository, file), join(project, file));
  symlinkSync(join(repository, "node_modules"), join(project, "node_modules"));
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

/** Names of the violated rules with the importing file, for a project of these files. */
async function cruise(files: Record<string, string>): Promise<string[]> {
  for (const [path, text] of Object.entries(files)) {
    const file = join(project, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const args = [cruiser, "--config", join(repository, ".dependency-cruiser.cjs"), "--output-type", "json", "src"];
  const report = await promisify(execFile)(process.execPath, args, { cwd: project, maxBuffer: 64 * 1024 * 1024 }).catch(
    (failed: { stdout: string }) => failed, // the exit code is the number of violations
  );
  const { violations } = JSON.parse(report.stdout).summary as { violations: { from: string; rule: { name: string } }[] };
  return violations.map(({ from, rule }) => `${rule.name}: ${from}`).sort();
}

const value = "export const value = 1;\n";
const uses = (path: string) => `import { value } from "${path}";\nexport const other = value;\n`;

test("imports along the layers are no violation", async () => {
  const found = await cruise({
    "src/config/model.ts": value,
    "src/proxmox/client.ts": `import { request } from "undici";\n${uses("../config/model")}export const send = request;\n`,
    "src/placement/place.ts": `import { createHash } from "node:crypto";\n${uses("../config/model")}export const hash = createHash;\n`,
    "src/inventory/facts.ts": uses("../placement/place").replaceAll("value", "other").replace("export const other", "export const value"),
    "src/migration/route.ts": uses("../config/model"),
    "src/simulator/from-federation.ts": uses("../config/model"),
    "src/providers/vm.ts": uses("../inventory/facts"),
    "src/cli/simulate.ts": uses("../config/model"),
    "src/index.ts": uses("./config/model"),
  });
  expect(found).toEqual([]);
});

test("each import against the layers is found", async () => {
  const found = await cruise({
    "src/config/model.ts": value,
    "src/config/load.ts": `import { readFileSync } from "node:fs";\nexport const value = readFileSync;\n`,
    "src/config/up.ts": uses("../proxmox/client"),
    "src/config/pulumi.ts": `import { Output } from "@pulumi/pulumi";\nexport const value = Output;\n`,
    "src/proxmox/client.ts": value,
    "src/proxmox/up.ts": `import type { value } from "../migration/route";\nexport type Other = typeof value;\n`,
    "src/placement/direct.ts": `import { readFileSync } from "fs";\nexport const value = readFileSync;\n`,
    "src/placement/indirect.ts": uses("../config/load"),
    "src/placement/package.ts": `import { z } from "zod";\nexport const value = z;\n`,
    "src/migration/route.ts": value,
    "src/migration/up.ts": uses("../inventory/facts"),
    "src/inventory/facts.ts": value,
    "src/simulator/state.ts": uses("../config/model"),
    "src/simulator/http.ts": `import { request } from "undici";\nexport const value = request;\n`,
    "src/simulator/client.ts": uses("../proxmox/client"),
    "src/simulator/from-federation.ts": uses("../proxmox/client"),
    "src/providers/vm.ts": uses("../cli/main"),
    "src/cli/main.ts": value,
    "src/cli/development.ts": `import { test } from "vitest";\nexport const value = test;\n`,
    "src/cli/absent.ts": uses("./nowhere"),
    "src/cli/circle.ts": uses("./back").replace("other", "value2"),
    "src/cli/back.ts": `import { value2 } from "./circle";\nexport const value = () => value2;\n`,
    "src/newcomer/thing.ts": uses("../config/model"),
  });
  expect(found).toEqual([
    "config-layer: src/config/up.ts",
    "known-folders: src/newcomer/thing.ts",
    "migration-layer: src/migration/up.ts",
    "no-circular: src/cli/back.ts",
    "not-to-dev-dependency: src/cli/development.ts",
    "not-to-unresolvable: src/cli/absent.ts",
    "placement-is-pure: src/placement/direct.ts",
    "placement-is-pure: src/placement/indirect.ts",
    "placement-without-packages: src/placement/package.ts",
    "providers-layer: src/providers/vm.ts",
    "proxmox-layer: src/proxmox/up.ts",
    "pulumi-on-top: src/config/pulumi.ts",
    "simulator-layer-exception: src/simulator/from-federation.ts",
    "simulator-layer: src/simulator/client.ts",
    "simulator-layer: src/simulator/state.ts",
    "simulator-speaks-for-itself: src/simulator/http.ts",
  ]);
});
