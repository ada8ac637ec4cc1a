import { describe, expect, it } from "vitest";
import { isProxmoxError, type ProxmoxErrorCode } from "../../../src/proxmox";
import { classifyText } from "../../../src/proxmox/classify";
import { resourceRowsOf } from "../../../src/proxmox/resources";
import { readResponse } from "../../../src/proxmox/response";
import { exitOf, taskFailed } from "../../../src/proxmox/task-exit";
import { isUpid } from "../../../src/proxmox/upid";
import { type RecordedStep, recordedSteps, skipWithoutRecordings } from "./recordings";

type Method = "GET" | "POST" | "PUT" | "DELETE";

const steps = recordedSteps().filter(({ request }) => ["GET", "POST", "PUT", "DELETE"].includes(request.method));

/** What the client makes of a recorded answer: `data`, or the error. */
function read({ request, response }: RecordedStep): { data: unknown } | { error: unknown } {
  const path = request.path.replace("/api2/json", "").split("?")[0]!;
  const wire = {
    status: response.status,
    reason: response.reason,
    headers: { "content-type": response.contentType ?? undefined },
    body: typeof response.body === "string" ? response.body : JSON.stringify(response.body),
  };
  const context = { cluster: "recorded", method: request.method as Method, path };
  try {
    return { data: readResponse(wire, { context, repeatable: request.method === "GET", redact: (text) => text }) };
  } catch (error) {
    return { error };
  }
}

/** Codes that a recorded refusal may have, by status. */
const codes: Record<number, ProxmoxErrorCode[]> = {
  400: ["PARAMETER", "NOT_FOUND"],
  401: ["AUTHENTICATION"],
  403: ["PERMISSION", "NOT_FOUND"],
  424: ["REFUSED"],
  501: ["NOT_IMPLEMENTED", "PARAMETER"],
  506: ["REFUSED"],
  595: ["CONNECTION"],
  596: ["TIMEOUT", "CONNECTION", "OUTCOME_UNKNOWN"],
};

describe.skipIf(skipWithoutRecordings("recorded answers of Proxmox VE 8.4 and 9.2"))("recorded answers of Proxmox VE 8.4 and 9.2", () => {
  const json = steps.filter(({ request }) => request.path.startsWith("/api2/json"));

  it("are enough of them", () => {
    expect(json.length).toBeGreaterThan(2_000);
  });

  it("gives the data of every good answer", () => {
    const good = json.filter(({ response }) => response.status === 200 && String(response.contentType).startsWith("application/json"));
    expect(good.length).toBeGreaterThan(1_000);
    for (const step of good) expect(read(step)).toEqual({ data: (step.response.body as { data: unknown }).data });
  });

  it("gives a fitting error for every other one, with Proxmox's words in it", () => {
    const bad = json.filter(({ response }) => response.status !== 200);
    expect(bad.length).toBeGreaterThan(500);
    for (const step of bad) {
      const result = read(step);
      const error = "error" in result ? result.error : undefined;
      expect(isProxmoxError(error), `${step.flow} ${step.era} ${step.step}`).toBe(true);
      if (!isProxmoxError(error)) continue;
      const allowed = codes[step.response.status];
      if (allowed !== undefined) expect(allowed, `${step.response.status} ${step.response.reason}`).toContain(error.code);
      const errors = (step.response.body as { errors?: Record<string, string> } | null)?.errors ?? {};
      expect(error.message).toContain((Object.values(errors)[0] ?? step.response.reason).trim());
    }
  });

  it("takes a guest for missing only when its configuration file is", () => {
    for (const step of json) {
      const result = read(step);
      if ("data" in result || !isProxmoxError(result.error, "NOT_FOUND") || result.error.what !== "guest") continue;
      expect(step.response.reason).toMatch(/^Configuration file 'nodes\/[^/]+\/qemu-server\/\d+\.conf' does not exist$/);
      expect(step.response.reason).toContain(`/${result.error.id}.conf`);
    }
  });

  it("knows the meaning of every refusal of a kind that callers branch on", () => {
    const tellTale: [RegExp, ProxmoxErrorCode][] = [
      [/no quorum/, "NO_QUORUM"],
      [/is locked \(/, "LOCKED"],
      [/can't lock file/, "LOCKED"],
      [/checksum mismatch|detected modified configuration/, "DIGEST"],
      [/^(?:unable to (?:create|restore) VM \d+.*|disk image .*) already exists/, "ALREADY_EXISTS"],
      [/^Permission check failed \(\//, "PERMISSION"],
      [/not running$/, "NOT_RUNNING"],
      [/guest agent is not running/, "AGENT_UNAVAILABLE"],
    ];
    const seen = new Set<ProxmoxErrorCode>();
    for (const { response } of json) {
      for (const [pattern, code] of tellTale) {
        if (response.status === 200 || !pattern.test(response.reason)) continue;
        const expected = /guest agent/.test(response.reason) ? "AGENT_UNAVAILABLE" : code;
        expect(classifyText(response.reason)?.code, response.reason).toBe(expected);
        seen.add(expected);
      }
    }
    expect([...seen].sort()).toEqual(["AGENT_UNAVAILABLE", "ALREADY_EXISTS", "DIGEST", "LOCKED", "NOT_RUNNING", "NO_QUORUM", "PERMISSION"]);
  });

  it("reads every row of every recorded resource list", () => {
    const lists = json.filter(
      ({ request, response }) => request.path.startsWith("/api2/json/cluster/resources") && response.status === 200,
    );
    expect(lists.length).toBeGreaterThan(20);
    for (const { response } of lists) {
      const rows = (response.body as { data: { type: string }[] }).data;
      const known = rows.filter(({ type }) => ["qemu", "lxc", "node", "storage", "pool"].includes(type));
      expect(resourceRowsOf(rows)).toHaveLength(known.length);
    }
  });

  it("takes every recorded UPID for one, and every exit status but OK and WARNINGS for a failure with its words", () => {
    const tasks = steps.flatMap(({ task }) => (task === undefined ? [] : [task]));
    expect(tasks.length).toBeGreaterThan(400);
    for (const { upid, status, log } of tasks) {
      expect(isUpid(upid)).toBe(true);
      const exitStatus = typeof status === "string" ? status : (status.exitstatus ?? "");
      if (exitStatus === "" || exitOf(exitStatus).ok) continue;
      const context = { cluster: "recorded", method: "GET", path: "/x" } as const;
      const error = taskFailed(upid, exitStatus, log, context, undefined);
      expect(error.message).toContain(exitStatus);
      const meaning = classifyText(exitStatus);
      if (meaning !== undefined) expect(error.reason).toBe(meaning.code);
    }
  });
});
