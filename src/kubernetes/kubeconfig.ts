/** Finding the cluster and the credentials of a kubeconfig. Tokens, certificates and exec plugins are the library's business. */
import type { KubeConfig } from "@kubernetes/client-node" with { "resolution-mode": "import" };
import { KubernetesError } from "./errors";
import type { KubernetesLibrary } from "./library";

/** Where the Kubernetes cluster is. Without any: `KUBECONFIG`, `~/.kube/config`, or the service account of the pod. */
export interface KubernetesConnection {
  /** File name; relative names start from the working directory. */
  kubeconfig?: string;
  /** Text of a kubeconfig; a secret. */
  kubeconfigContent?: string;
  /** Default: the file's current context. */
  context?: string;
}

/** @throws KubernetesError `KUBECONFIG`, never with a value of the file in it */
export function readKubeconfig({ KubeConfig: Config }: KubernetesLibrary, connection: KubernetesConnection): KubeConfig {
  const { kubeconfig, kubeconfigContent, context } = connection;
  const config = new Config();
  const where = kubeconfig ?? (kubeconfigContent === undefined ? "the default kubeconfig" : "the given kubeconfig");
  if (kubeconfig !== undefined && kubeconfigContent !== undefined)
    throw new KubernetesError("KUBECONFIG", "kubeconfig and kubeconfigContent exclude each other: give the file or the text.");
  try {
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else if (kubeconfigContent !== undefined) config.loadFromString(kubeconfigContent);
    else config.loadFromDefault();
  } catch (error) {
    // A parser's message quotes the text around the mistake, which may be a token: only the kind of failure is told.
    throw new KubernetesError("KUBECONFIG", `${capitalized(where)} cannot be read (${kindOf(error)}). It must be a kubeconfig in YAML.`);
  }
  if (context !== undefined) requireContext(config, context, where);
  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new KubernetesError(
      "KUBECONFIG",
      `${capitalized(where)} has no current context with a cluster. Name one as context (known: ${names(config)}).`,
    );
  if (!config.getCurrentUser())
    throw new KubernetesError("KUBECONFIG", `Context ${config.getCurrentContext()} of ${where} names a user that is not in it.`);
  return config;
}

/** Everything in it that must never be shown. */
export function secretsOfKubeconfig(config: KubeConfig): string[] {
  return config.users.flatMap((user) =>
    [user.token, user.password, user.keyData, user.certData].filter((secret): secret is string => typeof secret === "string"),
  );
}

function requireContext(config: KubeConfig, context: string, where: string): void {
  if (!config.getContextObject(context))
    throw new KubernetesError("KUBECONFIG", `${capitalized(where)} has no context ${context} (known: ${names(config)}).`);
  config.setCurrentContext(context);
}

function names(config: KubeConfig): string {
  return config.contexts.map((context) => context.name).join(", ") || "none";
}

function kindOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  return code ?? (error instanceof Error ? error.name : "unknown error");
}

function capitalized(text: string): string {
  return text.startsWith("the ") ? `T${text.slice(1)}` : text;
}
