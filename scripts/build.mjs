#!/usr/bin/env node
/** `npm run build` and `npm pack`: `src` compiled into `dist`, whole even where one of the two was deleted. */
import { fileURLToPath } from "node:url";
import { ensureBuild, SetupError } from "./setup/index.mjs";

try {
  await ensureBuild(fileURLToPath(new URL("..", import.meta.url)), (line) => console.error(line));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
