/** Loads `@kubernetes/client-node`: an optional peer, an ES module, and slow to load, so only once it is needed. */
import { KubernetesError } from "./errors";

export type KubernetesLibrary = typeof import("@kubernetes/client-node", { with: { "resolution-mode": "import" }});

/** @throws KubernetesError `CLIENT_MISSING` */
export async function loadKubernetesLibrary(
  load: () => Promise<KubernetesLibrary> = () => import("@kubernetes/client-node"),
): Promise<KubernetesLibrary> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new KubernetesError(
      "CLIENT_MISSING",
      'Kubernetes volumes need the package @kubernetes/client-node, which is not installed. Run "npm install @kubernetes/client-node" beside your program.',
    );
  }
}
