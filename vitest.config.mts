import { defineConfig } from "vitest/config";

/** One project per layer: `npm run test:unit` stays fast, the rest needs the Pulumi engine or whole servers. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/integration/**", "test/contract/**", "test/chaos/**", "test/providers/**"],
          testTimeout: 20_000,
        },
      },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 60_000 } },
      { test: { name: "providers", include: ["test/providers/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 60_000 } },
      {
        test: { name: "integration", include: ["test/integration/**/*.test.ts"], testTimeout: 600_000, hookTimeout: 600_000, fileParallelism: false },
      },
    ],
  },
});
