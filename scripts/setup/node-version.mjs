import { SetupError } from "./setup-error.mjs";

/** Smallest Node this project runs on; `undici` 7 and `engines` in package.json need it. */
export const minimumNodeVersion = "20.18.1";

/** Parses `1.2.3`, `v1.2.3` or `1.2.3-rc.1`; undefined for anything else. */
export function parseVersion(text) {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(text.trim());
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
}

/** True when `version` is `minimum` or newer; an unreadable version is not. */
export function isAtLeast(version, minimum) {
  const have = parseVersion(version);
  const need = parseVersion(minimum);
  if (!have || !need) return false;
  for (let i = 0; i < 3; i++) {
    if (have[i] !== need[i]) return have[i] > need[i];
  }
  return true;
}

/** Throws a `SetupError` on a Node that is too old. */
export function requireNode(version = process.versions.node) {
  if (isAtLeast(version, minimumNodeVersion)) return;
  throw new SetupError(
    `Node ${version} is too old: ${minimumNodeVersion} or newer is needed. Install a current one from https://nodejs.org and try again.`,
  );
}
