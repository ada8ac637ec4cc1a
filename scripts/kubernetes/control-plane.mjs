import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { executableName } from "../setup/engine-on-path.mjs";
import { Component, freePort } from "./component.mjs";
import { certificateUser, createCredentials, formatKubeconfig } from "./credentials.mjs";

const readyTimeoutMs = 120_000;

/** Only what volumes and the workloads on them need. Without a kubelet nothing would keep nodes alive, so nobody watches them. */
const controllers = [
  "persistentvolume-binder-controller",
  "persistentvolume-attach-detach-controller",
  "persistentvolumeclaim-protection-controller",
  "persistentvolume-protection-controller",
  "persistentvolume-expander-controller",
  "statefulset-controller",
  "deployment-controller",
  "daemonset-controller",
  "replicaset-controller",
  "garbage-collector-controller",
  "namespace-controller",
];

/**
 * A Kubernetes control plane on loopback: etcd, API server, controller manager and scheduler, real ones, without nodes.
 *
 * @typedef {object} ControlPlane
 * @property {string} server URL of the API server
 * @property {string} directory of everything it keeps; removed by `stop`
 * @property {string} kubeconfig file of an administrator who shows a client certificate
 * @property {string} token of an administrator
 * @property {(user: Record<string, unknown>) => string} kubeconfigOf text of a kubeconfig for that user entry
 * @property {() => Promise<void>} stop ends every process of it
 */

/**
 * @param {{ binDir: string }} kubernetes
 * @returns {Promise<ControlPlane>}
 */
export async function startControlPlane({ binDir }) {
  const directory = mkdtempSync(join(tmpdir(), "kubernetes-"));
  const components = [];
  const stop = async () => {
    // What depends on the others goes first: none of them has to wait for one that is gone.
    for (const component of components.toReversed()) await component.stop();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  const start = (role, flags) => {
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    components.push(new Component(join(binDir, executableName(role)), args));
  };
  try {
    return { ...(await startComponents(directory, start, components)), directory, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startComponents(directory, start, components) {
  const credentials = await createCredentials();
  const file = (name, text) => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const [clientPort, peerPort, securePort] = [await freePort(), await freePort(), await freePort()];
  const server = `https://127.0.0.1:${securePort}`;
  const kubeconfigOf = (user) => formatKubeconfig({ server, authority: credentials.authority, user });

  start("etcd", {
    "data-dir": join(directory, "etcd"),
    "listen-client-urls": `http://127.0.0.1:${clientPort}`,
    "advertise-client-urls": `http://127.0.0.1:${clientPort}`,
    "listen-peer-urls": `http://127.0.0.1:${peerPort}`,
    "initial-advertise-peer-urls": `http://127.0.0.1:${peerPort}`,
    "initial-cluster": `default=http://127.0.0.1:${peerPort}`,
    "log-level": "error",
    // Nobody needs it after a power cut.
    "unsafe-no-fsync": true,
  });
  start("kube-apiserver", {
    "etcd-servers": `http://127.0.0.1:${clientPort}`,
    "bind-address": "127.0.0.1",
    "secure-port": securePort,
    "endpoint-reconciler-type": "none",
    "tls-cert-file": file("server.crt", credentials.server.cert),
    "tls-private-key-file": file("server.key", credentials.server.private),
    "client-ca-file": file("ca.crt", credentials.authority),
    "token-auth-file": file("tokens.csv", `${credentials.token},token-administrator,1,system:masters\n`),
    "authorization-mode": "RBAC",
    // As kubeadm and Talos have it: the node parts of CSI plugins mount disks of the host.
    "allow-privileged": true,
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": file("service-account.key", credentials.serviceAccountKey),
    "service-account-signing-key-file": join(directory, "service-account.key"),
    "service-cluster-ip-range": "10.0.0.0/24",
    // No controller makes service accounts here or takes the first taint from a node.
    "disable-admission-plugins": "ServiceAccount,TaintNodesByCondition",
  });
  await waitUntilReady(server, credentials, components);
  start("kube-controller-manager", {
    kubeconfig: file("controller-manager.kubeconfig", kubeconfigOf(certificateUser(credentials.controllerManager))),
    controllers: controllers.join(","),
    "leader-elect": false,
    "secure-port": 0,
    // Their defaults are made for clusters that are never in a hurry.
    "pvclaimbinder-sync-period": "1s",
    "attach-detach-reconcile-sync-period": "1s",
  });
  start("kube-scheduler", {
    kubeconfig: file("scheduler.kubeconfig", kubeconfigOf(certificateUser(credentials.scheduler))),
    "leader-elect": false,
    "secure-port": 0,
  });
  const kubeconfig = file("kubeconfig", kubeconfigOf(certificateUser(credentials.administrator)));
  return { server, kubeconfig, token: credentials.token, kubeconfigOf };
}

async function waitUntilReady(server, { authority, token }, components) {
  const deadlineMs = Date.now() + readyTimeoutMs;
  for (;;) {
    const ended = components.find((component) => !component.running);
    if (ended) throw new Error(`${ended.name} ended before the control plane was ready:\n${ended.output}`);
    if ((await statusOf(`${server}/readyz`, authority, token)) === 200) return;
    if (Date.now() > deadlineMs)
      throw new Error(`The API server was not ready within ${readyTimeoutMs / 1000} s:\n${components.at(-1).output}`);
    await delay(100);
  }
}

/** Undefined while nobody answers. */
function statusOf(url, ca, token) {
  return new Promise((resolve) => {
    const request = get(url, { ca, headers: { authorization: `Bearer ${token}` } }, (reply) => {
      reply.resume();
      resolve(reply.statusCode);
    });
    request.on("error", () => resolve(undefined));
  });
}
