/**
 * Plays a recorded transcript against a fresh simulator and compares answer by answer. Virtual time
 * stands still except where a request waits or the recording says how long something took.
 */
import { request as httpsRequest } from "node:https";
import { type Era, type Simulator, startSimulator } from "../../../src/simulator";
import { broadcastPeriodMs } from "../../../src/simulator/broadcast";
import { parseUpid } from "../../../src/simulator/upid";
import { diff } from "./compare";
import { type FlowWorld, flowWorld } from "./flow-world";
import type { ReplayReport, StepResult } from "./judge";
import { normalizeBody, normalizeText } from "./normalize";
import { encodeForm, expandRawBody } from "./request-bodies";
import { isStep, loadTranscript, type RecordedStep } from "./transcripts";

export interface ReplayOptions {
  /** Play only up to this step. */
  upTo?: number;
  /** Ask for a world of one's own. */
  world?: FlowWorld;
}

export { describeReport, judge, type KnownDifference, type ReplayReport, type StepResult } from "./judge";

interface Answer {
  status: number;
  reason: string;
  body: unknown;
}

/** Turns of the event loop after which a request that arrived is taken to wait for virtual time. */
const idleTurns = 20;
const foreignFingerprint = Array.from({ length: 32 }, () => "00").join(":");
/** A worker that needs longer in virtual time is taken for stuck. */
const longestTaskMs = 6 * 60 * 60 * 1000;

export async function replay(era: Era, flow: string, options: ReplayOptions = {}): Promise<ReplayReport> {
  const world = options.world ?? flowWorld(era, flow);
  const simulator = await startSimulator({ layout: world.layout, timeScale: 0, startMs: world.startMs, blockBytes: world.blockBytes });
  try {
    const player = new Player(simulator, world);
    await player.prepare();
    const results: StepResult[] = [];
    for (const line of loadTranscript(era, flow)) {
      if (options.upTo !== undefined && line.step > options.upTo) break;
      await player.catchUp(line.step);
      if (!isStep(line) && line.remark !== undefined) await player.followRemark(line.remark);
      if (isStep(line) && line.response.status !== undefined && line.request.encoding !== "multipart")
        results.push(await player.play(line));
    }
    return { era, flow, results };
  } finally {
    await simulator.stop();
  }
}

class Player {
  /** Recorded text → the simulator's: UPIDs, archive names, digests. */
  private readonly bindings = new Map<string, string>();
  private readonly tickets = new Map<string, { ticket: string; csrf: string }>();
  private readonly passwords = new Map<string, string>();
  private readonly url: URL;
  /** Virtual time of the last change, for notes like `created: 3.0 s after`. */
  private anchorMs = 0;
  private onTimeline = false;
  private firstTask: { recordedMs: number; virtualMs: number } | undefined;

  constructor(
    private readonly simulator: Simulator,
    private readonly world: FlowWorld,
  ) {
    const cluster = simulator.clusters[0]!;
    this.url = new URL(cluster.endpoints.find((endpoint) => endpoint.node === world.localNode)!.url);
    this.passwords.set("root@pam", cluster.rootPassword);
    for (const [user, password] of Object.entries(cluster.passwords)) this.passwords.set(user, password);
  }

  async prepare(): Promise<void> {
    for (const user of this.passwords.keys()) await this.logIn(user);
    await this.callAsRoot(this.world.preparation ?? []);
    await this.simulator.world.clock.advance(this.world.settleMs ?? 10_000);
  }

  /** Nodes come and go as the recording says. */
  async followRemark(remark: string): Promise<void> {
    for (const { pattern, node, status } of this.world.remarks ?? []) {
      if (!pattern.test(remark)) continue;
      const { adminUrl, clusters } = this.simulator;
      await fetch(`${adminUrl}/nodes/${clusters[0]!.id}/${node}`, { method: "POST", body: JSON.stringify({ status }) });
    }
  }

  /** Makes the unrecorded calls that belong before a step. */
  async catchUp(step: number): Promise<void> {
    await this.callAsRoot((this.world.unrecorded ?? []).filter((call) => call.before === step));
    for (const { before, act } of this.world.outside ?? []) if (before === step) await act(this.simulator.world);
    const { nextBroadcast } = this.world;
    if (nextBroadcast?.before !== step) return;
    const { clock } = this.simulator.world;
    const phaseMs = (clock.nowMs() - this.world.startMs + nextBroadcast.inMs) % broadcastPeriodMs;
    await clock.advance(phaseMs === 0 ? 0 : broadcastPeriodMs - phaseMs);
  }

  private async callAsRoot(calls: { method: string; path: string; params: Record<string, unknown> }[]): Promise<void> {
    for (const call of calls) {
      const answer = await this.send(
        call.method,
        `/api2/json${call.path}`,
        this.rootHeaders(),
        call.method === "DELETE" ? undefined : encodeForm(call.params),
      );
      if (answer.status !== 200) throw new Error(`unrecorded call ${call.method} ${call.path}: ${answer.status} ${answer.reason}`);
      const data = (answer.body as { data?: unknown }).data;
      if (typeof data === "string" && data.startsWith("UPID:")) await this.finish(data);
    }
  }

  async play(step: RecordedStep): Promise<StepResult> {
    const { method, path } = step.request;
    await this.followNote(step.note);
    await this.followTaskStart(step);
    const { clock } = this.simulator.world;
    const beganMs = clock.nowMs();
    const answer = await this.request(step);
    const differences = this.compare(step, answer);
    const upid = (answer.body as { data?: unknown } | undefined)?.data;
    if (step.task && typeof upid === "string" && upid.startsWith("UPID:")) {
      await this.finish(upid);
      differences.push(...this.compareTask(step.task, upid));
    }
    this.remember(step, answer);
    // What took the recorded machine longer takes as long here.
    const recordedMs = (step.response.ms ?? 0) + (step.task?.seconds ?? 0) * 1000;
    await clock.advance(Math.max(0, beganMs + recordedMs - clock.nowMs()));
    if (method !== "GET") this.anchorMs = this.simulator.world.clock.nowMs();
    return { step: step.step, what: `${method} ${path.replace("/api2/json", "")}`, differences };
  }

  /** `… : 3.0 s after` moves time to that moment after the last change. */
  private async followNote(note: string | undefined): Promise<void> {
    const seconds = /: (\d+\.\d) s after/.exec(note ?? "")?.[1];
    if (seconds === undefined) {
      // A timeline was taken second by second; the next thing happened when its last second was over.
      if (this.onTimeline) await this.simulator.world.clock.advance(900);
      this.onTimeline = false;
      return;
    }
    this.onTimeline = true;
    const waitMs = this.anchorMs + Number(seconds) * 1000 - this.simulator.world.clock.nowMs();
    if (waitMs > 0) await this.simulator.world.clock.advance(waitMs);
  }

  /** A UPID says when its worker started: waits between calls were not recorded otherwise. */
  private async followTaskStart(step: RecordedStep): Promise<void> {
    const data = (step.response.body as { data?: unknown } | undefined)?.data;
    const upid = typeof data === "string" ? parseUpid(data) : undefined;
    if (!upid) return;
    const { clock } = this.simulator.world;
    const recordedMs = upid.startSeconds * 1000;
    this.firstTask ??= { recordedMs, virtualMs: clock.nowMs() };
    await clock.advance(Math.max(0, this.firstTask.virtualMs + recordedMs - this.firstTask.recordedMs - clock.nowMs()));
  }

  private async request(step: RecordedStep): Promise<Answer> {
    const { method, path, params, encoding } = step.request;
    const headers: Record<string, string> = {};
    await this.logInMissing(step);
    for (const [name, value] of Object.entries(step.request.headers)) headers[name] = this.fillHeader(value);
    const values = Object.fromEntries(Object.entries(params ?? {}).map(([key, value]) => [key, this.fillValue(step, key, value)]));
    const target = this.fillPath(path);
    const raw = expandRawBody(step.request.rawBody);
    const inQuery = method === "GET" || method === "DELETE";
    if (inQuery && Object.keys(values).length > 0)
      return this.send(method, `${target}${target.includes("?") ? "&" : "?"}${encodeForm(values)}`, headers);
    if (inQuery || (params === null && raw === undefined)) return this.send(method, target, headers);
    if (encoding === "json")
      return this.send(method, target, { ...headers, "Content-Type": "application/json" }, raw ?? JSON.stringify(values));
    return this.send(method, target, headers, raw ?? encodeForm(values));
  }

  private async send(method: string, target: string, headers: Record<string, string>, body?: string): Promise<Answer> {
    const form = body === undefined || headers["Content-Type"] ? {} : { "Content-Type": "application/x-www-form-urlencoded" };
    const length = body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
    const reply = new Promise<Answer>((resolve) => {
      const request = httpsRequest(
        {
          host: this.url.hostname,
          port: this.url.port,
          method,
          path: target,
          headers: { ...form, ...headers, ...length },
          rejectUnauthorized: false,
          agent: false,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            const json = (response.headers["content-type"] ?? "").startsWith("application/json");
            const reason = Buffer.from(response.statusMessage ?? "", "latin1").toString("utf8");
            resolve({ status: response.statusCode ?? 0, reason, body: json ? JSON.parse(text) : text });
          });
        },
      );
      // A reset connection is a result like others.
      request.on("error", (error) => resolve({ status: 0, reason: error.message, body: undefined }));
      request.end(body);
    });
    return this.pump(reply);
  }

  /** Moves virtual time on as long as the answer waits for it. */
  private async pump<T>(reply: Promise<T>): Promise<T> {
    let settled = false;
    const watched = reply.finally(() => {
      settled = true;
    });
    // The rejection is reported where `watched` is awaited below.
    watched.catch(() => undefined);
    const { world } = this.simulator;
    for (let turns = 0; !settled; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      // On its way to the server or back, a request needs real time only.
      if (world.requestsInProgress === 0) turns = 0;
      if (turns < idleTurns || settled) continue;
      await world.clock.advanceToNextTimer();
      turns = 0;
    }
    return watched;
  }

  private async finish(upid: string): Promise<void> {
    const { world } = this.simulator;
    const deadlineMs = world.clock.nowMs() + longestTaskMs;
    while (world.tasks.isRunning(upid) && world.clock.nowMs() < deadlineMs) {
      if (!(await world.clock.advanceToNextTimer())) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private compare(step: RecordedStep, answer: Answer): string[] {
    const { response } = step;
    const differences: string[] = [];
    if (response.status !== answer.status)
      differences.push(`status ${answer.status} (${answer.reason}), recorded ${response.status} (${response.reason})`);
    else if (normalizeText(response.reason ?? "") !== normalizeText(answer.reason)) {
      differences.push(`reason ${JSON.stringify(answer.reason)}, recorded ${JSON.stringify(response.reason)}`);
    }
    this.bind(response.body, answer.body);
    if (differences.length > 0) return differences;
    const ignored = this.world.ignoredBodies?.some((pattern) =>
      pattern.test(`${step.request.method} ${step.request.path.replace("/api2/json", "")}`),
    );
    if (ignored) return differences;
    const partial = this.world.partialBodies?.includes(step.step);
    const found = diff(normalizeBody(response.body), normalizeBody(answer.body), "body");
    return found.filter((text) => !(partial && text.endsWith(", recorded absent"))).slice(0, 8);
  }

  private compareTask(task: NonNullable<RecordedStep["task"]>, upid: string): string[] {
    const state = this.simulator.world.state.clusters[this.simulator.clusters[0]!.id]?.tasks[upid];
    // An archive's name is in the log of the worker that wrote it, and nowhere else.
    for (const [index, line] of task.log.entries()) this.bind(line, state?.log[index]);
    const recorded = task.status.exitstatus;
    const got = state?.exitStatus;
    const differences: string[] = [];
    if (normalizeText(recorded ?? "") !== normalizeText(got ?? ""))
      differences.push(`task ${JSON.stringify(got)}, recorded ${JSON.stringify(recorded)}`);
    if (this.world.compareLogs)
      differences.push(...diff(task.log.map(normalizeText), (state?.log ?? []).map(normalizeText), "log").slice(0, 4));
    return differences;
  }

  /** Learns the simulator's counterparts of recorded identifiers. */
  private bind(recorded: unknown, got: unknown): void {
    if (typeof recorded === "string" && typeof got === "string") {
      for (const pattern of [/UPID:[^\s"']+:$/, /vzdump-qemu-\d+-[\d_-]+\.vma(?:\.\w+)?/g, /\b[0-9a-f]{40}\b/]) {
        const from = recorded.match(pattern);
        const to = got.match(pattern);
        if (from?.[0] && to?.[0] && normalizeText(from[0]) === normalizeText(to[0])) this.bindings.set(from[0], to[0]);
      }
    } else if (Array.isArray(recorded) && Array.isArray(got)) {
      const key = (item: unknown) => JSON.stringify(normalizeBody(item));
      const left = [...recorded].sort((a, b) => (key(a) < key(b) ? -1 : 1));
      const right = [...got].sort((a, b) => (key(a) < key(b) ? -1 : 1));
      for (const [index, item] of left.entries()) this.bind(item, right[index]);
    } else if (typeof recorded === "object" && recorded !== null && typeof got === "object" && got !== null) {
      for (const [name, value] of Object.entries(recorded)) this.bind(value, (got as Record<string, unknown>)[name]);
    }
  }

  /** Tickets and passwords that later steps use. */
  private remember(step: RecordedStep, answer: Answer): void {
    const { method, path, params } = step.request;
    if (answer.status !== 200) return;
    const data = (answer.body as { data?: Record<string, unknown> })?.data;
    if (method === "POST" && path.endsWith("/access/ticket") && typeof data?.username === "string" && data.ticket !== undefined) {
      this.tickets.set(data.username, { ticket: String(data.ticket), csrf: String(data.CSRFPreventionToken) });
    }
    if (method === "POST" && path.endsWith("/access/users") && params?.userid)
      this.passwords.set(String(params.userid), String(params.password ?? ""));
  }

  /** Logins were not always recorded. */
  private async logInMissing(step: RecordedStep): Promise<void> {
    for (const value of Object.values(step.request.headers)) {
      const user = /<TICKET ([^>]+)>/.exec(value)?.[1];
      if (user !== undefined && !this.tickets.has(user) && this.passwords.has(user)) await this.logIn(user);
    }
  }

  private async logIn(user: string): Promise<{ ticket: string; csrf: string }> {
    const answer = await this.send(
      "POST",
      "/api2/json/access/ticket",
      {},
      encodeForm({ username: user, password: this.passwords.get(user) }),
    );
    const data = (answer.body as { data: { ticket: string; CSRFPreventionToken: string } }).data;
    if (!data) throw new Error(`cannot log in as ${user}: ${answer.status} ${answer.reason}`);
    const session = { ticket: data.ticket, csrf: data.CSRFPreventionToken };
    this.tickets.set(user, session);
    return session;
  }

  private rootHeaders(): Record<string, string> {
    const session = this.tickets.get("root@pam")!;
    return { Cookie: `PVEAuthCookie=${encodeURIComponent(session.ticket)}`, CSRFPreventionToken: session.csrf };
  }

  private fillHeader(value: string): string {
    // A cookie that was recorded as such (not as a placeholder) is a good one of root's when it is long.
    const literal = /^PVEAuthCookie=PVE%3A\S{100,}$/.test(value) ? "PVEAuthCookie=<TICKET root@pam>" : value;
    return this.substitute(
      literal
        .replaceAll(/<TICKET ([^>]+)>/g, (_, user: string) => encodeURIComponent(this.session(user).ticket))
        .replaceAll(/<CSRF ([^>]+)>/g, (_, user: string) => this.session(user).csrf)
        .replaceAll(/([^\s=]+![^\s=]+)=<SECRET>/g, (_, token: string) => `${token}=${this.secret(token)}`),
    );
  }

  private session(user: string): { ticket: string; csrf: string } {
    return this.tickets.get(user) ?? { ticket: "PVE:none", csrf: "none" };
  }

  private secret(token: string): string {
    const cluster = this.simulator.world.state.clusters[this.simulator.clusters[0]!.id]!;
    const present = cluster.access.tokens[token]?.secret;
    if (present !== undefined) this.secrets.set(token, present);
    return this.secrets.get(token) ?? "unknown";
  }

  /** Secrets of tokens that were deleted since. */
  private readonly secrets = new Map<string, string>();

  private fillValue(step: RecordedStep, key: string, value: unknown): unknown {
    if (typeof value !== "string") return value;
    if (value === "<PASSWORD>")
      return this.passwords.get(String(step.request.params?.username ?? "root@pam").replace(/^root$/, "root@pam")) ?? "";
    const ticket = /^<TICKET ([^>]+)>$/.exec(value)?.[1];
    if (ticket !== undefined) return this.session(ticket).ticket;
    if (key === "digest") return this.bindings.get(value) ?? value;
    // Some certificate's, not the asked node's.
    return this.substitute(value).replaceAll("<FINGERPRINT>", foreignFingerprint);
  }

  private fillPath(path: string): string {
    const [bare = "", query] = path.split("?");
    const filled = bare
      .split("/")
      .map((segment) => {
        const decoded = decodeURIComponent(segment);
        const replaced = this.substitute(decoded);
        return replaced === decoded ? segment.replaceAll(/[^\x21-\x7e]/g, encodeURIComponent) : encodeURIComponent(replaced);
      })
      .join("/");
    return query === undefined ? filled : `${filled}?${this.substitute(query)}`;
  }

  private substitute(text: string): string {
    let result = text;
    for (const [recorded, got] of this.bindings) if (result.includes(recorded)) result = result.replaceAll(recorded, got);
    return result;
  }
}
