import { afterEach, describe, expect, it } from "vitest";
import { isProxmoxError, type ProxmoxApi } from "../../src/proxmox";
import { type ApiServer, answer, type Behaviour, proxyFailure, refuse, startApiServer } from "./support/api-server";
import { rejection, testClient } from "./support/client";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const upid = "UPID:n1:0000634F:000CDD2A:6B028436:qmcreate:100:iac@pve!deploy:";

interface Script {
  /** Exit status after so many polls that say `running`. */
  polls?: number;
  exitStatus?: string;
  /** Log lines there are at a given poll; the last one counts from then on. */
  logs?: string[][];
  /** Answers a status request itself when it returns true. */
  onStatus?: (poll: number, ...args: Parameters<Behaviour>) => boolean;
  onLog?: Behaviour;
  onStop?: Behaviour;
}

/** One node that runs one task. */
function taskServer(script: Script): Behaviour {
  let poll = 0;
  return (...args) => {
    const [request, response] = args;
    const url = new URL(request.url, "https://x");
    expect(url.pathname).toContain(`/nodes/n1/tasks/${encodeURIComponent(upid)}`);
    if (request.method === "DELETE") return script.onStop === undefined ? answer(response, null) : script.onStop(...args);
    if (url.pathname.endsWith("/log")) {
      if (script.onLog !== undefined) return script.onLog(...args);
      const log = script.logs?.[Math.min(poll, script.logs.length) - 1] ?? [];
      const start = Number(url.searchParams.get("start"));
      const lines = log.slice(start, start + Number(url.searchParams.get("limit") ?? 50));
      return answer(
        response,
        lines.map((t, index) => ({ n: start + index + 1, t })),
      );
    }
    poll++;
    if (script.onStatus?.(poll, ...args)) return;
    const running = poll <= (script.polls ?? 0);
    answer(response, {
      upid,
      node: "n1",
      status: running ? "running" : "stopped",
      ...(running ? {} : { exitstatus: script.exitStatus ?? "OK" }),
    });
  };
}

async function connect(script: Script): Promise<ReturnType<typeof testClient> & { api: ApiServer; tasks: ProxmoxApi["tasks"] }> {
  const api = await startApiServer(taskServer(script));
  const made = testClient([api]);
  stops.push(api.stop, () => made.client.close());
  return { ...made, api, tasks: made.client.tasks };
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `line ${index + 1}`);

describe("waiting for a task", () => {
  it("polls from 100 ms to 2 s apart and returns the whole log", async () => {
    const { tasks, sleeps } = await connect({ polls: 12, logs: [numbered(1_234)] });
    const result = await tasks.wait(upid);
    expect(result).toEqual({ upid, warnings: 0, log: numbered(1_234) });
    expect(sleeps).toHaveLength(12);
    expect(sleeps[0]).toBe(100);
    expect(sleeps.at(-1)).toBe(2_000);
    expect(sleeps).toEqual([...sleeps].sort((a, b) => a - b));
  });

  it("surfaces warnings as success", async () => {
    const { tasks } = await connect({ exitStatus: "WARNINGS: 3" });
    expect((await tasks.wait(upid)).warnings).toBe(3);
  });

  it("hands over log lines as they come, each once", async () => {
    const seen: string[][] = [];
    const { tasks } = await connect({ polls: 2, logs: [["a"], ["a", "b", "c"], ["a", "b", "c", "TASK OK"]] });
    const result = await tasks.wait(upid, { onLog: (lines) => seen.push(lines) });
    expect(seen).toEqual([["a"], ["b", "c"], ["TASK OK"]]);
    expect(result.log).toEqual(["a", "b", "c", "TASK OK"]);
  });

  it("fails with exit status, the last 15 lines of the log and what the status means", async () => {
    const exitStatus = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout";
    const { tasks } = await connect({ exitStatus, logs: [numbered(40)] });
    const error = await rejection(tasks.wait(upid));
    if (!isProxmoxError(error, "TASK_FAILED")) throw error;
    expect(error).toMatchObject({ upid, exitStatus, reason: "LOCKED", node: "n1", cluster: "hel", logTail: numbered(40).slice(-15) });
    expect(error.message).toContain(`Task qmcreate 100 failed`);
    expect(error.message).toContain(exitStatus);
    expect(error.message).toContain("line 40");
    expect(error.message).not.toContain("line 25\n");
  });

  it.each([
    ["WARNINGS:", undefined],
    ["unexpected status", undefined],
    ["interrupted by signal", undefined],
    ["unable to create VM 100 - 403 Permission check failed (/vms/100, VM.Config.Options)", "PERMISSION"],
    ["unable to open file '/etc/pve/nodes/n1/qemu-server/100.conf.tmp.99' - Permission denied", "NO_QUORUM"],
  ] as const)("takes exit status %s for a failure with reason %s", async (exitStatus, reason) => {
    const { tasks } = await connect({ exitStatus });
    const error = await rejection(tasks.wait(upid));
    expect(isProxmoxError(error, "TASK_FAILED") && [error.exitStatus, error.reason]).toEqual([exitStatus, reason]);
  });

  it("finds in the log why a backup job failed", async () => {
    const logs = [["ERROR: Backup of VM 100 failed - VM is locked (migrate)", "INFO: Backup job finished with errors"]];
    const { tasks } = await connect({ exitStatus: "job errors", logs });
    const error = await rejection(tasks.wait(upid));
    expect(isProxmoxError(error, "TASK_FAILED") && error.reason).toBe("LOCKED");
  });

  it("still reports the failure when the log cannot be read", async () => {
    const { tasks } = await connect({
      exitStatus: "boom",
      onLog: (_q, response) => refuse(response, 403, "Permission check failed (/nodes/n1, Sys.Audit)"),
    });
    const error = await rejection(tasks.wait(upid));
    expect(isProxmoxError(error, "TASK_FAILED") && [error.exitStatus, error.logTail]).toEqual(["boom", []]);
    expect((error as Error).message).toMatch(/boom.*its log cannot be read: Permission missing/s);
  });

  it("stops waiting at the time limit, and the task goes on", async () => {
    const { tasks, api } = await connect({ polls: 1_000_000 });
    const error = await rejection(tasks.wait(upid, { timeoutMs: 10_000 }));
    expect(isProxmoxError(error, "TASK_TIMEOUT") && error.upid).toBe(upid);
    expect(api.requests.every(({ method }) => method === "GET")).toBe(true);
  });

  it("survives a daemon that is away for a while", async () => {
    const { tasks } = await connect({
      polls: 30,
      onStatus: (poll, _request, response, socket) => {
        if (poll <= 5 || poll > 25) return false;
        if (poll % 2 === 0) socket.destroy();
        else proxyFailure(response, 595, "Connection refused");
        return true;
      },
    });
    expect((await tasks.wait(upid)).warnings).toBe(0);
  });

  it("gives up when the API stays away", async () => {
    const { tasks } = await connect({
      onStatus: (_poll, _request, response) => {
        proxyFailure(response, 595, "No route to host");
        return true;
      },
    });
    expect(isProxmoxError(await rejection(tasks.wait(upid)), "CONNECTION")).toBe(true);
  });

  it("fails at once when the task is unknown", async () => {
    const { tasks, sleeps } = await connect({
      onStatus: (_poll, _request, response) => {
        refuse(response, 400, "Parameter verification failed.", { upid: "no such task" });
        return true;
      },
    });
    const error = await rejection(tasks.wait(upid));
    expect(isProxmoxError(error, "NOT_FOUND") && [error.what, error.id]).toEqual(["task", upid]);
    expect(sleeps).toEqual([]);
  });

  it("goes on through another endpoint when the one it used disappears", async () => {
    const first = await startApiServer(taskServer({ polls: 1_000 }));
    const second = await startApiServer(taskServer({ polls: 1, logs: [["done"]] }));
    const { client } = testClient([first, second]);
    stops.push(second.stop, () => client.close());
    const waiting = client.tasks.wait(upid);
    await expect.poll(() => first.requests.length).toBeGreaterThan(2);
    await first.stop();
    expect((await waiting).log).toEqual(["done"]);
  });
});

describe("cancelling a wait", () => {
  it("leaves the task alone by default", async () => {
    const controller = new AbortController();
    const { tasks, api } = await connect({
      polls: 1_000,
      onStatus: (poll) => {
        if (poll === 3) controller.abort();
        return false;
      },
    });
    const error = await rejection(tasks.wait(upid, { signal: controller.signal }));
    expect(isProxmoxError(error, "CANCELLED") && error.message).toMatch(/No longer waiting for task qmcreate.*The task goes on/);
    expect(api.requests.some(({ method }) => method === "DELETE")).toBe(false);
  });

  it("stops the task with stopOnAbort", async () => {
    const controller = new AbortController();
    const { tasks, api } = await connect({
      polls: 1_000,
      onStatus: (poll) => {
        if (poll === 3) controller.abort();
        return false;
      },
    });
    const error = await rejection(tasks.wait(upid, { signal: controller.signal, stopOnAbort: true }));
    expect(isProxmoxError(error, "CANCELLED") && error.message).toMatch(/Stopped task/);
    expect(api.requests.filter(({ method }) => method === "DELETE")).toHaveLength(1);
  });

  it("says when the task could not be stopped", async () => {
    const controller = new AbortController();
    controller.abort();
    const { tasks } = await connect({ onStop: (_q, response) => refuse(response, 403, "Permission check failed (/nodes/n1, Sys.Modify)") });
    const error = await rejection(tasks.wait(upid, { signal: controller.signal, stopOnAbort: true }));
    expect(isProxmoxError(error, "CANCELLED") && error.message).toMatch(/could not be stopped.*Sys\.Modify.*The task goes on/s);
  });
});

describe("task calls", () => {
  it("reads a running and a finished task; the user of a token comes from the UPID", async () => {
    const { tasks } = await connect({ polls: 1, exitStatus: "boom" });
    const known = { upid, node: "n1", type: "qmcreate", id: "100", user: "iac@pve!deploy", startTimeSeconds: 0x6b028436 };
    expect(await tasks.getStatus(upid)).toEqual({ ...known, status: "running" });
    expect(await tasks.getStatus(upid)).toEqual({ ...known, status: "stopped", exitStatus: "boom" });
  });

  it.each([
    ["a list (9.2)", [{ n: 1, t: "unable to open file - No such file or directory" }]],
    ["an object (8.4)", { n: 1, t: "unable to open file - No such file or directory" }],
    ["an empty log", [{ n: 1, t: "no content" }]],
    ["nothing", []],
  ])("takes %s for no log lines", async (_name, data) => {
    const { tasks } = await connect({ onLog: (_q, response) => answer(response, data) });
    expect(await tasks.getLog(upid)).toEqual([]);
  });

  it("pages through a log, and reads a part of it", async () => {
    const { tasks, api } = await connect({ logs: [numbered(1_100)] });
    await tasks.getStatus(upid);
    expect(await tasks.getLog(upid)).toEqual(numbered(1_100));
    expect(api.requests).toHaveLength(4);
    expect(await tasks.getLog(upid, { start: 10, limit: 5 })).toEqual(numbered(15).slice(10));
  });

  it("refuses a text that is no UPID before it asks", async () => {
    const { tasks, api } = await connect({});
    await expect(tasks.getStatus("UPID:n1:nonsense")).rejects.toThrow(/not a valid UPID/);
    expect(api.requests).toHaveLength(0);
  });

  it("lists running and finished tasks", async () => {
    const backup = "UPID:n1:00004ED4:000C764B:6B028338:vzdump:161:root@pam:";
    const api = await startApiServer((request, response) => {
      expect(request.url).toBe("/api2/json/nodes/n1/tasks?vmid=161&typefilter=vzdump&source=all&since=5&limit=9");
      answer(response, [
        { upid: backup, status: "RUNNING", starttime: 1, pid: 2, saved: "0" },
        { upid, status: "OK", starttime: 1, endtime: "1795327033" },
        { upid: "UPID:broken", status: "OK" },
        { upid: backup, status: null, endtime: null },
      ]);
    });
    const { client } = testClient([api]);
    stops.push(api.stop, () => client.close());
    const listed = await client.tasks.list("n1", { vmid: 161, typeFilter: "vzdump", sinceSeconds: 5, limit: 9 });
    expect(listed.map(({ id, status, exitStatus, endTimeSeconds }) => [id, status, exitStatus, endTimeSeconds])).toEqual([
      ["161", "running", undefined, undefined],
      ["100", "stopped", "OK", 1_795_327_033],
      ["161", "running", undefined, undefined],
    ]);
  });
});
