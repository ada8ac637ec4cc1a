/**
 * Stand-in for Pulumi's provider plugin for Kubernetes, which the set-up does not provide: objects of a program in the
 * real engine, sent to the API server of KUBECONFIG as the plugin does. It knows what the components here need: names
 * of its own making, strict validation, waiting until a StatefulSet's pods are ready and until deleted objects are gone.
 * No server-side apply, no charts, no drift.
 */
const { randomBytes } = require("node:crypto");
const { once } = require("node:events");
const { readFileSync } = require("node:fs");
const { request } = require("node:https");
const { setTimeout: delay } = require("node:timers/promises");
const { json } = require("node:stream/consumers");
const { main } = require("@pulumi/pulumi/provider");

const SECRET = "4dabf18193072939515e22adb298388d";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const patienceMs = 120_000;
const namespaced = ["Secret", "StatefulSet"];

const provider = {
  // What the program's SDK asks for.
  version: require("@pulumi/kubernetes/package.json").version,

  async check(urn, olds, news) {
    const { name, ...metadata } = news.metadata ?? {};
    const made = name ?? olds.metadata?.name ?? `${urn.split("::").at(-1)}-${randomBytes(4).toString("hex")}`;
    return { inputs: { ...news, metadata: { ...metadata, name: made } } };
  },

  async diff(_id, _urn, olds, news) {
    const same = (pick) => canonical(pick(olds.inputs)) === canonical(pick(news));
    const renamed = !same(({ metadata }) => [metadata.name, metadata.namespace]);
    return { changes: !same((inputs) => inputs), replaces: renamed ? ["metadata"] : [], deleteBeforeReplace: renamed };
  },

  async create(_urn, inputs) {
    const object = plain(inputs);
    await call("POST", `${collectionOf(object)}?fieldValidation=Strict`, object);
    return { id: `${object.metadata.namespace ?? ""}/${object.metadata.name}`, outs: await settle(inputs) };
  },

  async update(_id, _urn, _olds, news) {
    await call("PATCH", `${pathOf(plain(news))}?fieldValidation=Strict`, plain(news));
    return { outs: await settle(news) };
  },

  async read(id, _urn, props) {
    const found = await find(plain(props.inputs));
    return found === undefined ? { id: "", props: {} } : { id, props, inputs: props.inputs };
  },

  async delete(_id, _urn, { inputs }) {
    const object = plain(inputs);
    const found = await find(object);
    if (found === undefined) return;
    await call("DELETE", pathOf(object), { propagationPolicy: "Foreground" });
    await until(async () => (await find(object))?.metadata.uid !== found.metadata.uid, `${object.kind} ${object.metadata.name} is gone`);
  },
};

/** Outputs of the object, once it is ready. */
async function settle(inputs) {
  const object = plain(inputs);
  const isReady = async () => {
    const { spec, status } = await find(object);
    return object.kind !== "StatefulSet" || (status.readyReplicas ?? 0) === spec.replicas;
  };
  await until(isReady, `${object.kind} ${object.metadata.name} is ready`);
  return { ...inputs, inputs };
}

async function until(condition, what) {
  const deadlineMs = Date.now() + patienceMs;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`);
    await delay(200);
  }
}

async function find(object) {
  const { status, body } = await send("GET", pathOf(object));
  if (status === 404) return undefined;
  if (status !== 200) throw new Error(body.message);
  return body;
}

async function call(method, path, body) {
  const answer = await send(method, path, body);
  if (answer.status >= 300) throw new Error(answer.body.message);
}

async function send(method, path, body) {
  const { cluster, user } = connection();
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const text = body === undefined ? "" : JSON.stringify(body);
  const sent = request(cluster.server + path, {
    method,
    // Node would not announce the body of a DELETE.
    headers: { "content-type": type, "content-length": Buffer.byteLength(text) },
    ca: decode(cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]),
    key: decode(user["client-key-data"]),
  });
  sent.end(text);
  const [reply] = await once(sent, "response");
  return { status: reply.statusCode, body: await json(reply) };
}

/** The tests write their kubeconfig as JSON, with one cluster and one user. */
function connection() {
  const { clusters, users } = JSON.parse(readFileSync(process.env.KUBECONFIG, "utf8"));
  return { cluster: clusters[0].cluster, user: users[0].user };
}

function decode(text) {
  return Buffer.from(text, "base64").toString();
}

function collectionOf({ apiVersion, kind, metadata }) {
  const group = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
  const plural = kind.endsWith("s") ? `${kind.toLowerCase()}es` : `${kind.toLowerCase()}s`;
  return `${group}${namespaced.includes(kind) ? `/namespaces/${metadata.namespace ?? "default"}` : ""}/${plural}`;
}

function pathOf(object) {
  return `${collectionOf(object)}/${object.metadata.name}`;
}

/** Without the engine's marks. */
function plain(value) {
  if (value === UNKNOWN) throw new Error("an unknown value in an update");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if (SECRET in value) return plain(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function canonical(value) {
  return JSON.stringify(value, (_key, item) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

main(provider, process.argv.slice(2));
