/** {@link KubernetesApi} on `@kubernetes/client-node`: strict validation, a limit for every call, errors in our words. */
import type { AppsV1Api, Configuration, CoreV1Api, StorageV1Api } from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { type Clock, createRedactor, type Redact, systemClock } from "../proxmox";
import type { KubernetesApi, MergePatch, ObjectName, Workload } from "./api";
import { isKubernetesError } from "./errors";
import { isPassing, toKubernetesError } from "./failure";
import { type KubernetesConnection, readKubeconfig, secretsOfKubeconfig } from "./kubeconfig";
import { type KubernetesLibrary, loadKubernetesLibrary } from "./library";

export interface KubernetesClientOptions {
  /** Per request. Default 30 s. */
  timeoutMs?: number;
  /** Waits between repetitions. */
  clock?: Clock;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const MOST_ATTEMPTS = 4;
/** Unknown fields are errors: a misspelt one would be dropped without a word. See also `asGiven`. */
const STRICT = { fieldValidation: "Strict" } as const;

/** @throws KubernetesError `CLIENT_MISSING` or `KUBECONFIG`; the cluster itself is not contacted yet */
export async function createKubernetesClient(
  connection: KubernetesConnection,
  options: KubernetesClientOptions = {},
): Promise<KubernetesApi> {
  const library = await loadKubernetesLibrary();
  const config = readKubeconfig(library, connection);
  const redact = createRedactor([...secretsOfKubeconfig(config), ...(connection.kubeconfigContent ? [connection.kubeconfigContent] : [])]);
  const description = `context ${config.getCurrentContext()}, ${config.getCurrentCluster()!.server}`;
  const { timeoutMs = DEFAULT_TIMEOUT_MS, clock = systemClock } = options;
  const configuration: Configuration = library.createConfiguration({
    baseServer: new library.ServerConfiguration(config.getCurrentCluster()!.server, {}),
    authMethods: { default: config },
    promiseMiddleware: [
      {
        pre: async (request) => {
          request.setSignal(AbortSignal.timeout(timeoutMs));
          return request;
        },
        post: async (response) => response,
      },
    ],
  });
  return new Client(library, configuration, { description, redact, clock });
}

interface Surroundings {
  description: string;
  redact: Redact;
  clock: Clock;
}

class Client implements KubernetesApi {
  readonly description: string;
  private readonly core: CoreV1Api;
  private readonly apps: AppsV1Api;
  private readonly storage: StorageV1Api;

  constructor(
    private readonly library: KubernetesLibrary,
    configuration: Configuration,
    private readonly surroundings: Surroundings,
  ) {
    this.description = surroundings.description;
    this.core = new library.CoreV1Api(configuration);
    this.apps = new library.AppsV1Api(configuration);
    this.storage = new library.StorageV1Api(configuration);
  }

  findVolume(name: string) {
    return this.find(`PersistentVolume ${name} cannot be read`, () => this.core.readPersistentVolume({ name }));
  }

  async listVolumes(labelSelector?: string) {
    return (await this.call("PersistentVolumes cannot be listed", () => this.core.listPersistentVolume({ labelSelector }))).items;
  }

  createVolume(body: Parameters<KubernetesApi["createVolume"]>[0]) {
    return this.call(`PersistentVolume ${body.metadata?.name} cannot be created`, () =>
      this.core.createPersistentVolume({ body, ...STRICT }, this.asGiven(body)),
    );
  }

  patchVolume(name: string, body: MergePatch) {
    return this.call(`PersistentVolume ${name} cannot be changed`, () =>
      this.core.patchPersistentVolume({ name, body, ...STRICT }, this.asMergePatch()),
    );
  }

  async deleteVolume({ metadata }: Parameters<KubernetesApi["deleteVolume"]>[0]) {
    const name = metadata?.name ?? "";
    await this.find(`PersistentVolume ${name} cannot be deleted`, () =>
      this.core.deletePersistentVolume({ name, body: { preconditions: { uid: metadata?.uid } } }),
    );
  }

  findClaim({ namespace, name }: ObjectName) {
    return this.find(`PersistentVolumeClaim ${namespace}/${name} cannot be read`, () =>
      this.core.readNamespacedPersistentVolumeClaim({ namespace, name }),
    );
  }

  async listClaims(namespace?: string) {
    const list = () =>
      namespace === undefined
        ? this.core.listPersistentVolumeClaimForAllNamespaces()
        : this.core.listNamespacedPersistentVolumeClaim({ namespace });
    return (await this.call("PersistentVolumeClaims cannot be listed", list)).items;
  }

  createClaim(body: Parameters<KubernetesApi["createClaim"]>[0]) {
    const namespace = body.metadata?.namespace ?? "";
    return this.call(`PersistentVolumeClaim ${namespace}/${body.metadata?.name} cannot be created`, () =>
      this.core.createNamespacedPersistentVolumeClaim({ namespace, body, ...STRICT }, this.asGiven(body)),
    );
  }

  patchClaim({ namespace, name }: ObjectName, body: MergePatch) {
    return this.call(`PersistentVolumeClaim ${namespace}/${name} cannot be changed`, () =>
      this.core.patchNamespacedPersistentVolumeClaim({ namespace, name, body, ...STRICT }, this.asMergePatch()),
    );
  }

  async deleteClaim({ metadata }: Parameters<KubernetesApi["deleteClaim"]>[0]) {
    const { namespace = "", name = "", uid } = metadata ?? {};
    await this.find(`PersistentVolumeClaim ${namespace}/${name} cannot be deleted`, () =>
      this.core.deleteNamespacedPersistentVolumeClaim({ namespace, name, body: { preconditions: { uid } } }),
    );
  }

  async listPods(namespace?: string) {
    const list = () => (namespace === undefined ? this.core.listPodForAllNamespaces() : this.core.listNamespacedPod({ namespace }));
    return (await this.call("Pods cannot be listed", list)).items;
  }

  async listNodes() {
    return (await this.call("Nodes cannot be listed", () => this.core.listNode())).items;
  }

  async listVolumeAttachments() {
    return (await this.call("VolumeAttachments cannot be listed", () => this.storage.listVolumeAttachment())).items;
  }

  async listStatefulSets(namespace: string) {
    return (await this.call("StatefulSets cannot be listed", () => this.apps.listNamespacedStatefulSet({ namespace }))).items;
  }

  findStorageClass(name: string) {
    return this.find(`StorageClass ${name} cannot be read`, () => this.storage.readStorageClass({ name }));
  }

  async findReplicas({ kind, namespace, name }: Workload) {
    const what = `${kind} ${namespace}/${name} cannot be read`;
    const found =
      kind === "StatefulSet"
        ? await this.find(what, () => this.apps.readNamespacedStatefulSet({ namespace, name }))
        : await this.find(what, () => this.apps.readNamespacedDeployment({ namespace, name }));
    // Kubernetes itself takes a missing number for one.
    return found && (found.spec?.replicas ?? 1);
  }

  async scale({ kind, namespace, name }: Workload, replicas: number) {
    const what = `${kind} ${namespace}/${name} cannot be scaled to ${replicas}`;
    const body = { spec: { replicas } };
    if (kind === "StatefulSet")
      await this.call(what, () => this.apps.patchNamespacedStatefulSetScale({ namespace, name, body, ...STRICT }, this.asMergePatch()));
    else await this.call(what, () => this.apps.patchNamespacedDeploymentScale({ namespace, name, body, ...STRICT }, this.asMergePatch()));
  }

  private asMergePatch() {
    return this.library.setHeaderOptions("Content-Type", this.library.PatchStrategy.MergePatch);
  }

  /** The library sends only the fields it knows; a misspelt one, or one newer than the library, must reach the server. */
  private asGiven(body: object) {
    const { pre, post } = this.library.setHeaderMiddleware("Content-Type", "application/json");
    const text = JSON.stringify(body);
    const middleware: ReturnType<KubernetesLibrary["setHeaderMiddleware"]> = {
      pre: (request) => {
        request.setBody(text);
        return pre(request);
      },
      post,
    };
    return { middleware: [middleware], middlewareMergeStrategy: "append" as const };
  }

  private async find<T>(what: string, send: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.call(what, send);
    } catch (error) {
      if (isKubernetesError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }

  /** Repeats what failed for a passing reason: every call of this interface may be. */
  private async call<T>(what: string, send: () => Promise<T>): Promise<T> {
    const { description, redact, clock } = this.surroundings;
    for (let attempt = 1; ; attempt++) {
      try {
        return await send();
      } catch (error) {
        const failure = toKubernetesError(error, what, description, redact);
        if (attempt === MOST_ATTEMPTS || !isPassing(failure)) throw failure;
        await clock.sleep(250 * 2 ** attempt);
      }
    }
  }
}
