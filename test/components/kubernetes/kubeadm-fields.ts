/** The field names of kubeadm's configuration v1beta4, as far as a machine's texts could use them. kubeadm refuses others. */

interface Fields {
  [name: string]: Fields | "value";
}

const TYPE: Fields = { apiVersion: "value", kind: "value" };
const ARGUMENT: Fields = { name: "value", value: "value" };
const TAINT: Fields = { key: "value", value: "value", effect: "value", timeAdded: "value" };
const NODE_REGISTRATION: Fields = {
  name: "value",
  criSocket: "value",
  taints: TAINT,
  kubeletExtraArgs: ARGUMENT,
  ignorePreflightErrors: "value",
  imagePullPolicy: "value",
  imagePullSerial: "value",
};
const ENDPOINT: Fields = { advertiseAddress: "value", bindPort: "value" };

const KINDS: Record<string, Fields> = {
  InitConfiguration: {
    ...TYPE,
    bootstrapTokens: { token: "value", description: "value", ttl: "value", expires: "value", usages: "value", groups: "value" },
    dryRun: "value",
    nodeRegistration: NODE_REGISTRATION,
    localAPIEndpoint: ENDPOINT,
    certificateKey: "value",
    skipPhases: "value",
  },
  ClusterConfiguration: {
    ...TYPE,
    networking: { serviceSubnet: "value", podSubnet: "value", dnsDomain: "value" },
    kubernetesVersion: "value",
    controlPlaneEndpoint: "value",
    certificatesDir: "value",
    imageRepository: "value",
    clusterName: "value",
  },
  JoinConfiguration: {
    ...TYPE,
    dryRun: "value",
    nodeRegistration: NODE_REGISTRATION,
    caCertPath: "value",
    discovery: {
      bootstrapToken: { token: "value", apiServerEndpoint: "value", caCertHashes: "value", unsafeSkipCAVerification: "value" },
      file: { kubeConfigPath: "value" },
      tlsBootstrapToken: "value",
      timeout: "value",
    },
    controlPlane: { localAPIEndpoint: ENDPOINT, certificateKey: "value" },
    skipPhases: "value",
  },
};

/** Paths of what kubeadm would not know in a document. */
export function unknownKubeadmFields(document: Record<string, unknown>): string[] {
  const kind = String(document.kind);
  const fields = KINDS[kind];
  return fields ? unknownIn(document, fields, kind) : [`kind ${kind}`];
}

function unknownIn(value: unknown, fields: Fields | "value", path: string): string[] {
  if (fields === "value") return [];
  if (Array.isArray(value)) return value.flatMap((item) => unknownIn(item, fields, path));
  return Object.entries(value as object).flatMap(([name, item]) => {
    const known = fields[name];
    return known === undefined ? [`${path}.${name}`] : unknownIn(item, known, `${path}.${name}`);
  });
}
