/** Faults that a test orders through the admin API, addressed by which matching call they hit. */

export type FaultAction =
  /** The connection is reset before anything is done. */
  | { kind: "reset-before" }
  /** The operation runs, its answer is lost. */
  | { kind: "reset-after-commit" }
  /** Nothing is done, this status line is the answer. */
  | { kind: "status"; code: number; reason: string }
  /** The worker that the call starts fails, before it does anything or after it has done everything. */
  | { kind: "task-fails"; exitStatus: string; when?: "before" | "after" }
  /** The worker that the call starts never does anything until it is stopped. */
  | { kind: "task-hangs" }
  /** The answer comes that much virtual time later; nothing else changes. */
  | { kind: "delay"; ms: number }
  /** The credentials count as expired. */
  | { kind: "expire-ticket" }
  /** 200 with an HTML page, as a proxy in between would send it. */
  | { kind: "html" };

export interface FaultRule {
  /** Absent: any. */
  cluster?: string;
  method?: string;
  /** Path template (`/nodes/{node}/qemu/{vmid}/config`) or concrete path; `*` stands for any text. Absent: any. */
  path?: string;
  /** The first matching call it hits, counted from 1 since the rule was set. Default 1. */
  at?: number;
  /** How many matching calls in a row it hits. Default 1; 0 = all that follow. */
  times?: number;
  action: FaultAction;
}

export interface ActiveFault extends FaultRule {
  id: number;
  /** Matching calls seen so far. */
  seen: number;
  /** How many of them were hit. */
  hits: number;
}

export interface CallDescription {
  cluster: string;
  method: string;
  path: string;
  /** Template of the route; absent for an unknown path. */
  template?: string;
}

export class FaultTable {
  /** Told of every call before the rules are asked, and may answer in their place; for tests in the same process. */
  onCall: (call: CallDescription) => FaultAction | undefined = () => undefined;
  /** Told of every call that was carried out, with its answer, before that is sent: it waits for this. For tests in the same process. */
  onDone: (call: CallDescription, data: unknown) => void | Promise<void> = () => undefined;
  private rules: ActiveFault[] = [];
  private nextId = 1;

  add(rule: FaultRule): ActiveFault {
    const active = { ...rule, id: this.nextId++, seen: 0, hits: 0 };
    this.rules.push(active);
    return active;
  }

  list(): readonly ActiveFault[] {
    return this.rules;
  }

  clear(): void {
    this.rules = [];
  }

  /** Counts the call in every rule it matches and returns the action of the first rule that hits it. */
  strike(call: CallDescription): FaultAction | undefined {
    let action = this.onCall(call);
    for (const rule of this.rules) {
      if (!matches(rule, call)) continue;
      rule.seen += 1;
      const first = rule.at ?? 1;
      const times = rule.times ?? 1;
      if (action || rule.seen < first || (times > 0 && rule.seen >= first + times)) continue;
      rule.hits += 1;
      action = rule.action;
    }
    return action;
  }
}

/** The rule in a request body; throws with what is wrong. */
export function parseFaultRule(value: unknown): FaultRule {
  if (typeof value !== "object" || value === null) throw new Error("a fault is an object");
  const rule = value as Record<string, unknown>;
  const allowed = ["cluster", "method", "path", "at", "times", "action"];
  for (const key of Object.keys(rule)) if (!allowed.includes(key)) throw new Error(`unknown key '${key}' (known: ${allowed.join(", ")})`);
  for (const key of ["cluster", "method", "path"]) {
    if (rule[key] !== undefined && typeof rule[key] !== "string") throw new Error(`'${key}' must be a string`);
  }
  for (const [key, minimum] of [
    ["at", 1],
    ["times", 0],
  ] as const) {
    if (rule[key] !== undefined && !(Number.isInteger(rule[key]) && Number(rule[key]) >= minimum)) {
      throw new Error(`'${key}' must be an integer of at least ${minimum}`);
    }
  }
  return { ...(rule as unknown as FaultRule), action: parseAction(rule.action) };
}

function parseAction(value: unknown): FaultAction {
  const action = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  switch (action.kind) {
    case "reset-before":
    case "reset-after-commit":
    case "task-hangs":
    case "expire-ticket":
    case "html":
      return { kind: action.kind };
    case "status":
      if (!Number.isInteger(action.code) || typeof action.reason !== "string") throw new Error("action 'status' needs 'code' and 'reason'");
      return { kind: "status", code: Number(action.code), reason: action.reason };
    case "task-fails":
      if (typeof action.exitStatus !== "string") throw new Error("action 'task-fails' needs 'exitStatus'");
      return { kind: "task-fails", exitStatus: action.exitStatus, when: action.when === "after" ? "after" : "before" };
    case "delay":
      if (typeof action.ms !== "number" || !(action.ms >= 0)) throw new Error("action 'delay' needs 'ms', at least 0");
      return { kind: "delay", ms: action.ms };
    default:
      throw new Error(
        "'action.kind' must be one of reset-before, reset-after-commit, status, task-fails, task-hangs, delay, expire-ticket, html",
      );
  }
}

function matches(rule: FaultRule, call: CallDescription): boolean {
  if (rule.cluster !== undefined && rule.cluster !== call.cluster) return false;
  if (rule.method !== undefined && rule.method.toUpperCase() !== call.method) return false;
  if (rule.path === undefined || rule.path === call.template) return true;
  const pattern = new RegExp(`^${rule.path.split("*").map(escapeRegExp).join(".*")}$`);
  return pattern.test(call.path) || (call.template !== undefined && pattern.test(call.template));
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
