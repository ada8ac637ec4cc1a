import { generateKeyPairSync, randomUUID } from "node:crypto";
import { generate } from "selfsigned";

const dayMs = 24 * 60 * 60 * 1000;

/**
 * A certificate authority for one control plane, and what it signs: the API server's certificate, a client certificate for
 * each component, and the key of service account tokens. An administrator's token stands beside them.
 */
export async function createCredentials() {
  const authority = await certificate("kubernetes-ca", {
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  });
  const ca = { key: authority.private, cert: authority.cert };
  const server = await certificate("kube-apiserver", {
    ca,
    extensions: [
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
    ],
  });
  /** A client certificate: the common name is the user, the organization a group. */
  const client = (user, group) => certificate(user, { ca, extensions: [{ name: "extKeyUsage", clientAuth: true }] }, group);
  const serviceAccountKey = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  }).privateKey;
  return {
    authority: authority.cert,
    server,
    administrator: await client("administrator", "system:masters"),
    // Its controllers would each log in with a service account of their own; its own role knows none of their rights.
    controllerManager: await client("system:kube-controller-manager", "system:masters"),
    scheduler: await client("system:kube-scheduler"),
    serviceAccountKey,
    token: randomUUID(),
  };
}

function certificate(commonName, options, organization) {
  const subject = [{ name: "commonName", value: commonName }];
  if (organization) subject.push({ name: "organizationName", value: organization });
  return generate(subject, {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(Date.now() - dayMs),
    notAfterDate: new Date(Date.now() + 30 * dayMs),
    ...options,
  });
}

/**
 * Text of a kubeconfig; JSON is YAML.
 *
 * @param {{ server: string, authority: string, user: Record<string, unknown> }} access
 */
export function formatKubeconfig({ server, authority, user }) {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "local", cluster: { server, "certificate-authority-data": base64(authority) } }],
    users: [{ name: "local", user }],
    contexts: [{ name: "local", context: { cluster: "local", user: "local" } }],
    "current-context": "local",
  });
}

/** User of a kubeconfig that shows a client certificate. */
export function certificateUser({ cert, private: key }) {
  return { "client-certificate-data": base64(cert), "client-key-data": base64(key) };
}

function base64(text) {
  return Buffer.from(text).toString("base64");
}
