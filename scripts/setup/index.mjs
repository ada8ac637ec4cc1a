export { ensureBuild } from "./build.mjs";
export { ensureCheckout } from "./checkout.mjs";
export { ensureDependencies } from "./dependencies.mjs";
export { ensureEngine } from "./engine.mjs";
export { pulumiEnvironment } from "./environment.mjs";
export { ensureKubernetes, findKubernetes, wantedKubernetesVersion } from "./kubernetes.mjs";
export { requireNode } from "./node-version.mjs";
export { run } from "./processes.mjs";
export { SetupError } from "./setup-error.mjs";
