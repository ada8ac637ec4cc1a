import { createHash } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, ensureCacheDirectory } from "./cache.mjs";
import { executableName, isExecutable } from "./engine-on-path.mjs";
import { buildGoCommand, checkGo } from "./go-build.mjs";
import { withLock } from "./lock.mjs";
import { SetupError } from "./setup-error.mjs";

/** One binary, called by four names. */
const roles = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/** Says from which sources a binary in the cache was built. */
const stampName = "sources.sha256";

/**
 * A Kubernetes control plane that can be started here.
 *
 * @typedef {object} Kubernetes
 * @property {string} binDir folder with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kube-scheduler`
 * @property {string} version such as `1.34.1`
 */

/**
 * The version that tools/kubernetes pins.
 *
 * @param {string} root the repository
 */
export function wantedKubernetesVersion(root) {
  const path = join(moduleFolder(root), "go.mod");
  const match = /k8s\.io\/kubernetes v(\d+\.\d+\.\d+)/.exec(readFileSync(path, "utf8"));
  if (!match) throw new SetupError(`${path} does not require k8s.io/kubernetes at a released version.`);
  return match[1];
}

/**
 * The control plane a former build left in the cache; undefined when there is none of the present sources.
 *
 * @param {string} root the repository
 * @param {string} [cache] default: the user's
 * @returns {Kubernetes | undefined}
 */
export function findKubernetes(root, cache = cacheDirectory()) {
  const version = wantedKubernetesVersion(root);
  const folder = installFolder(cache, version);
  const binDir = join(folder, "bin");
  const stamp = join(folder, stampName);
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== digestOf(root)) return undefined;
  return roles.every((role) => isExecutable(join(binDir, executableName(role)))) ? { binDir, version } : undefined;
}

/**
 * Provides the control plane: from the cache, else built from its Go modules.
 *
 * @param {string} root the repository
 * @param {(line: string) => void} log
 * @returns {Promise<Kubernetes>}
 */
export async function ensureKubernetes(root, log) {
  const ready = findKubernetes(root);
  if (ready) return ready;
  const cache = ensureCacheDirectory();
  const name = `kubernetes-${wantedKubernetesVersion(root)}`;
  return withLock(join(cache, `${name}.lock`), () => provide(root, cache, join(cache, `${name}.partial`), log), {
    onWait: (holder) => log(`Another set-up (process ${holder.pid} on ${holder.host}) is building Kubernetes; waiting for it …`),
  });
}

async function provide(root, cache, scratch, log) {
  const ready = findKubernetes(root, cache);
  if (ready) return ready;
  // What is there is of a set-up that was killed.
  rmSync(scratch, { recursive: true, force: true });
  try {
    return await build(root, cache, scratch, log);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function build(root, cache, scratch, log) {
  const version = wantedKubernetesVersion(root);
  const moduleDir = moduleFolder(root);
  const { wanted, problem } = await checkGo(moduleDir);
  if (problem !== undefined)
    throw new SetupError(
      `Kubernetes ${version} cannot be built here: ${problem}. Install Go ${wanted} or newer (https://go.dev/dl/) and try again.`,
    );
  log(
    `Building Kubernetes ${version} (API server, controller manager, scheduler, etcd) from its Go modules; about half an hour on two cores, once.`,
  );
  const binDir = join(scratch, "bin");
  mkdirSync(binDir, { recursive: true });
  const [first, ...others] = roles.map((role) => join(binDir, executableName(role)));
  await buildGoCommand({
    name: "kubernetes",
    moduleDir,
    package: ".",
    ldflags: "-s -w",
    output: first,
    log,
    advice: "The build needs the Go module proxy and about 4 GB of disk.",
  });
  for (const other of others) linkSync(first, other);
  writeFileSync(join(scratch, stampName), digestOf(root));
  const target = installFolder(cache, version);
  rmSync(target, { recursive: true, force: true });
  renameSync(scratch, target);
  log(`Built into ${target}.`);
  const built = findKubernetes(root, cache);
  if (!built) throw new SetupError(`The build left no complete control plane in ${target}.`);
  return built;
}

function moduleFolder(root) {
  return join(root, "tools", "kubernetes");
}

function digestOf(root) {
  const digest = createHash("sha256");
  for (const file of readdirSync(moduleFolder(root)).sort())
    digest.update(`${file}\0`).update(readFileSync(join(moduleFolder(root), file)));
  return digest.digest("hex");
}

function installFolder(cache, version) {
  return join(cache, `kubernetes-${version}-${process.platform}-${process.arch}`);
}
