import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BackupJob,
  createBackupJob,
  createProxmoxClient,
  deleteBackupJob,
  listBackupJobs,
  type ProxmoxApi,
  updateBackupJob,
} from "../../../src/proxmox";
import { type ApiServer, answer, startApiServer } from "../../proxmox/support/api-server";
import { declaredParameters, readSchema, type SchemaMethod, type SchemaParameter, skipWithoutRecordings } from "./recordings";

const upid = "UPID:n1:0000634F:000CDD2A:6B028436:qmcreate:100:root@pam:";
const archive = "pbs1:backup/vm/100/2026-01-01T00:00:00Z";

/** Every call of the client with every parameter it can send, and an answer it takes. */
const calls: Record<string, [(client: ProxmoxApi) => Promise<unknown>, unknown]> = {
  getVersion: [(c) => c.getVersion(), { version: "9.2.11" }],
  getClusterStatus: [(c) => c.getClusterStatus(), []],
  listResources: [(c) => c.listResources(), []],
  getNextVmid: [(c) => c.getNextVmid(), "100"],
  getPermissions: [(c) => c.getPermissions(), {}],
  listStorageDefinitions: [(c) => c.listStorageDefinitions(), []],
  "pools.find": [(c) => c.pools.find("team/sub"), []],
  "pools.create": [(c) => c.pools.create("team", "comment"), null],
  "pools.setComment": [(c) => c.pools.setComment("team", "comment"), null],
  "pools.addGuest": [(c) => c.pools.addGuest("team", 100, { allowMove: true }), null],
  "pools.delete": [(c) => c.pools.delete("team"), null],
  "qemu.list": [(c) => c.qemu.list("n1"), []],
  "qemu.getConfig": [(c) => c.qemu.getConfig("n1", 100), {}],
  "qemu.findConfig": [(c) => c.qemu.findConfig("n1", 100), {}],
  "qemu.listPending": [(c) => c.qemu.listPending("n1", 100), []],
  "qemu.getStatus": [(c) => c.qemu.getStatus("n1", 100), {}],
  "qemu.create": [
    (c) => c.qemu.create("n1", { vmid: 100, memory: 512, scsi0: "local:8", net0: "virtio", onboot: false, start: true }),
    upid,
  ],
  "qemu.clone": [(c) => c.qemu.clone("n1", 100, { newid: 101, full: true }), upid],
  "qemu.updateConfig": [(c) => c.qemu.updateConfig("n1", 100, { description: "x", delete: "net1", digest: "a".repeat(40) }), null],
  "qemu.startConfigUpdate": [(c) => c.qemu.startConfigUpdate("n1", 100, { scsi1: "local:8", ide2: "local:cloudinit" }), upid],
  "qemu.resizeDisk": [(c) => c.qemu.resizeDisk("n1", 100, "scsi0", 33 * 1024 ** 3), upid],
  "qemu.moveDisk": [(c) => c.qemu.moveDisk("n1", 100, { disk: "scsi0", storage: "fast", delete: true }), upid],
  "qemu.getMigratePreconditions": [(c) => c.qemu.getMigratePreconditions("n1", 100, "n2"), {}],
  "qemu.migrate": [(c) => c.qemu.migrate("n1", 100, { target: "n2", online: true, "with-local-disks": true }), upid],
  "qemu.start": [(c) => c.qemu.start("n1", 100), upid],
  "qemu.stop": [(c) => c.qemu.stop("n1", 100), upid],
  "qemu.shutdown": [(c) => c.qemu.shutdown("n1", 100, { timeoutSeconds: 60, forceStop: true }), upid],
  "qemu.reboot": [(c) => c.qemu.reboot("n1", 100, { timeoutSeconds: 60 }), upid],
  "qemu.delete": [(c) => c.qemu.delete("n1", 100, { purge: true }), upid],
  "qemu.pingAgent": [(c) => c.qemu.pingAgent("n1", 100), {}],
  "qemu.findAgentAddresses": [(c) => c.qemu.findAgentAddresses("n1", 100), { result: [] }],
  "storage.getStatus": [(c) => c.storage.getStatus("n1", "local"), {}],
  "storage.listContent": [(c) => c.storage.listContent("n1", "local", { content: "images", vmid: 100 }), []],
  "storage.allocate": [
    (c) => c.storage.allocate("n1", "local", { filename: "vm-100-disk-0.raw", vmid: 100, sizeBytes: 2 ** 30 + 1, format: "raw" }),
    "local:100/vm-100-disk-0.raw",
  ],
  "storage.findVolume": [(c) => c.storage.findVolume("n1", archive), []],
  "storage.setVolumeAttributes": [(c) => c.storage.setVolumeAttributes("n1", archive, { notes: "a\nb", protected: true }), null],
  "storage.deleteVolume": [(c) => c.storage.deleteVolume("n1", archive), upid],
  "backup.start": [(c) => c.backup.start("n1", { vmid: 100, storage: "pbs1", mode: "snapshot", protected: true, remove: false }), upid],
  "backup.extractConfig": [(c) => c.backup.extractConfig("n1", archive), "memory: 512\n"],
  "tasks.getStatus": [(c) => c.tasks.getStatus(upid), { status: "running" }],
  "tasks.getLog": [(c) => c.tasks.getLog(upid, { start: 10, limit: 20 }), []],
  "tasks.list": [(c) => c.tasks.list("n1", { vmid: 100, typeFilter: "vzdump", source: "all", sinceSeconds: 1, limit: 5 }), []],
  "tasks.stop": [(c) => c.tasks.stop(upid), null],
  "tasks.wait": [(c) => c.tasks.wait(upid), { status: "stopped", exitstatus: "OK" }],
  listBridges: [(c) => c.listBridges("n1"), []],
  "qemu.remoteMigrate": [
    (c) =>
      c.qemu.remoteMigrate("n1", 100, {
        "target-endpoint": "apitoken=PVEAPIToken=a@pve!b=c,host=10.0.0.1,port=8006,fingerprint=AA:BB",
        "target-storage": "local",
        "target-bridge": "vmbr0:vmbr1",
        "target-vmid": 200,
        online: true,
        bwlimit: 1000,
      }),
    upid,
  ],
  "ha.findResource": [(c) => c.ha.findResource(100), []],
  "ha.addResource": [(c) => c.ha.addResource({ vmid: 100, state: "started", comment: "x", maxRelocate: 1, maxRestart: 1 }), null],
  "ha.setState": [(c) => c.ha.setState(100, "ignored"), null],
  "ha.listGroups": [(c) => c.ha.listGroups(), []],
  "ha.listRules": [(c) => c.ha.listRules(), []],
  "ha.setRuleMembers": [(c) => c.ha.setRuleMembers({ rule: "apart", type: "resource-affinity" }, ["vm:100", "vm:101"]), null],
  "replication.list": [(c) => c.replication.list(), []],
  "replication.create": [
    (c) => c.replication.create({ vmid: 100, job: 0, targetNode: "n2", schedule: "*/15", rateMBps: 10, comment: "x", disabled: true }),
    null,
  ],
  "replication.remove": [(c) => c.replication.remove({ vmid: 100, job: 0 }), [{ id: "100-0", guest: 100 }]],
  "replication.isReplicated": [(c) => c.replication.isReplicated(100), []],
};

const job: BackupJob = {
  id: "fed-production",
  schedule: "02:00",
  storage: "pbs1",
  pool: "production",
  mode: "snapshot",
  comment: "x",
  enabled: true,
  prune: "keep-last=3",
  remove: true,
  notesTemplate: "{{guestname}}",
};

/** What is no member of the client, because few need it. */
const functions: typeof calls = {
  listBackupJobs: [(c) => listBackupJobs(c), []],
  createBackupJob: [(c) => createBackupJob(c, job), null],
  updateBackupJob: [(c) => updateBackupJob(c, { ...job, prune: undefined }), null],
  deleteBackupJob: [(c) => deleteBackupJob(c, job.id), null],
};
const all = { ...calls, ...functions };

/** Paths that a version does not have; whoever calls them has looked at the version, or takes the refusal for an answer. */
const ABSENT: Record<string, string[]> = { "8.4.21": ["ha.listRules", "ha.setRuleMembers"], "9.2.11": [] };

interface Request {
  method: string;
  path: string;
  params: Record<string, string>;
}

/** Declaration of a call, and the parameters that stand in its path. */
function findMethod(
  schema: Map<string, Record<string, SchemaMethod>>,
  { method, path }: Request,
): { declared: SchemaMethod; inPath: Record<string, string> } | undefined {
  const segments = path.split("/");
  for (const [template, methods] of schema) {
    const names = template.split("/");
    const fits = names.length === segments.length && names.every((name, index) => name.startsWith("{") || name === segments[index]);
    if (!fits || methods[method] === undefined) continue;
    const placeholders = names.flatMap((name, index) =>
      name.startsWith("{") ? [[name.slice(1, -1), decodeURIComponent(segments[index]!)]] : [],
    );
    return { declared: methods[method], inPath: Object.fromEntries(placeholders) };
  }
  return undefined;
}

/** `scsi0` is declared as `scsi[n]` in the documented schema, and by itself in the other. */
function findParameter(declared: Record<string, SchemaParameter>, name: string): SchemaParameter | undefined {
  return declared[name] ?? declared[name.replace(/\d+$/, "[n]")];
}

function problemsOf(parameter: SchemaParameter, value: string): string[] {
  const problems: string[] = [];
  if (parameter.type === "boolean" && !/^[01]$/.test(value)) problems.push("is no boolean");
  if (parameter.type === "integer" && !/^-?\d+$/.test(value)) problems.push("is no integer");
  if (parameter.type === "integer" && Number(value) < Number(parameter.minimum ?? value)) problems.push("is too small");
  if (parameter.type === "integer" && Number(value) > Number(parameter.maximum ?? value)) problems.push("is too big");
  if (parameter.enum !== undefined && !parameter.enum.includes(value)) problems.push("is none of the enumeration");
  // Perl writes its patterns with `(?^:…)`, which JavaScript has not.
  if (parameter.pattern !== undefined && !parameter.pattern.includes("(?^") && !new RegExp(`^(?:${parameter.pattern})$`).test(value)) {
    problems.push("does not match the pattern");
  }
  return problems;
}

/** All that Proxmox's own verification would say against a request. */
function objections(schema: Map<string, Record<string, SchemaMethod>>, request: Request): string[] {
  const found = findMethod(schema, request);
  if (found === undefined) return [`${request.method} ${request.path} does not exist`];
  const given = { ...found.inPath, ...request.params };
  const declared = declaredParameters(found.declared.parameters, given);
  const where = `${request.method} ${request.path}`;
  const wrong = Object.entries(given).flatMap(([name, value]) => {
    const parameter = findParameter(declared, name);
    if (parameter === undefined) return [`${where}: ${name} is not known`];
    const needs = parameter.requires !== undefined && !(parameter.requires in given) ? [`needs ${parameter.requires}`] : [];
    return [...problemsOf(parameter, value), ...needs].map((problem) => `${where}: ${name}=${value} ${problem}`);
  });
  const missing = Object.entries(declared)
    .filter(([name, { optional }]) => !optional && !name.endsWith("[n]") && !(name in given))
    .map(([name]) => `${where}: ${name} is missing`);
  return [...wrong, ...missing];
}

describe.skipIf(skipWithoutRecordings("requests against the official API schema"))("requests against the official API schema", () => {
  let api: ApiServer;
  let reply: unknown;
  const sent = new Map<string, Request[]>();

  beforeAll(async () => {
    api = await startApiServer((request, response) => {
      const isLogin = request.url.endsWith("/access/ticket");
      answer(response, isLogin ? { ticket: "PVE:root@pam:1::x", CSRFPreventionToken: "c" } : request.url.includes("/log?") ? [] : reply);
    });
    const client = createProxmoxClient({
      clusterId: "c1",
      endpoints: [api.url],
      credentials: { kind: "password", username: "root@pam", password: "p" },
      tls: { fingerprint: api.fingerprint, verify: true },
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 5_000,
    });
    for (const [name, [call, result]] of Object.entries(all)) {
      reply = result;
      const before = api.requests.length;
      await call(client);
      sent.set(
        name,
        api.requests.slice(before).map(({ method, url, body }) => {
          const [path, query] = url.replace("/api2/json", "").split("?");
          return { method, path: path!, params: Object.fromEntries(new URLSearchParams(query ?? body)) };
        }),
      );
    }
    expect(names(client)).toEqual(Object.keys(calls).sort());
    await client.close();
  });

  afterAll(() => api.stop());

  function names(client: ProxmoxApi): string[] {
    const other = new Set(["clusterId", "request", "close"]);
    return Object.entries(client)
      .filter(([key]) => !other.has(key))
      .flatMap(([key, value]) => (typeof value === "function" ? [key] : Object.keys(value as object).map((member) => `${key}.${member}`)))
      .sort();
  }

  for (const version of ["8.4.21", "9.2.11"] as const) {
    const schema = readSchema(version);
    it.each(Object.keys(all).filter((name) => !ABSENT[version]?.includes(name)))(`${version}: %s`, (name) => {
      const requests = sent.get(name)!;
      expect(requests.length).toBeGreaterThan(0);
      expect(requests.flatMap((request) => objections(schema, request))).toEqual([]);
    });

    it(`${version}: the check itself finds a wrong path, parameter, value and a missing one`, () => {
      const path = "/nodes/n1/qemu/100/resize";
      expect(objections(schema, { method: "PUT", path: "/nodes/n1/qemu/100/nosuch", params: {} })).toHaveLength(1);
      expect(objections(schema, { method: "PUT", path, params: { disk: "scsi0", size: "1G", nosuch: "1" } })).toHaveLength(1);
      expect(objections(schema, { method: "PUT", path, params: { disk: "nvme0", size: "1G" } })).toHaveLength(1);
      expect(objections(schema, { method: "PUT", path, params: { disk: "scsi0" } })).toHaveLength(1);
    });
  }
});
