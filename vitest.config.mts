import { defineConfig } from "vitest/config";

const minutes = (count: number) => count * 60_000;
/** Tests that start processes of ours run the compiled code: it must be that of the sources. */
const compiled = { globalSetup: ["test/support/build-first.ts"] };

/** One project per layer: `npm run test:unit` stays fast, the rest needs whole servers or the Pulumi engine. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{browser,chaos,cli,contract,integration,kubernetes,optimum,providers,scripts,simulator,support}/**"],
          // Loading the modules anew for every file would take longer than the tests.
          isolate: false,
          testTimeout: minutes(1),
        },
      },
      { test: { name: "optimum", include: ["test/optimum/**/*.test.ts"], testTimeout: minutes(5) } },
      { test: { name: "simulator", include: ["test/simulator/**/*.test.ts"], testTimeout: minutes(2) } },
      { test: { name: "scripts", include: ["test/scripts/**/*.test.ts"], testTimeout: minutes(3) } },
      { test: { name: "cli", include: ["test/cli/**/*.test.ts"], testTimeout: minutes(2), hookTimeout: minutes(2) } },
      { test: { name: "browser", include: ["test/browser/**/*.test.ts"], testTimeout: minutes(2), hookTimeout: minutes(2) } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: minutes(3), hookTimeout: minutes(2) } },
      {
        test: { name: "chaos", include: ["test/chaos/**/*.test.ts"], ...compiled, testTimeout: minutes(5), hookTimeout: minutes(5) },
      },
      {
        test: {
          name: "providers",
          include: ["test/providers/**/*.test.ts", "test/support/engine-replay.test.ts"],
          ...compiled,
          testTimeout: minutes(5),
          hookTimeout: minutes(5),
        },
      },
      {
        test: {
          name: "kubernetes",
          include: ["test/kubernetes/**/*.test.ts"],
          ...compiled,
          testTimeout: minutes(5),
          hookTimeout: minutes(5),
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts", "test/support/engine.test.ts"],
          ...compiled,
          testTimeout: minutes(15),
          hookTimeout: minutes(15),
          fileParallelism: false,
        },
      },
    ],
  },
});
