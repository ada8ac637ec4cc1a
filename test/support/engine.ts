import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { ensureEngine, pulumiEnvironment } from "../../scripts/setup/index.mjs";
import { killTree, listDescendants, signal } from "./process-tree";

const repository = join(__dirname, "..", "..");

export interface StackOptions {
  /** Added to the environment of every command, and so seen by the program and by the provider process. */
  env?: Record<string, string>;
  /** Default: `test`. */
  name?: string;
  /** Stack configuration; a bare key belongs to the project. */
  config?: Record<string, string>;
  /** Stack configuration that is encrypted in the stack's file. */
  secrets?: Record<string, string>;
}

export interface CommandOptions {
  /** Added to the environment of this command. */
  env?: Record<string, string>;
  /** More arguments for `pulumi`. */
  args?: string[];
}

/** What the engine did, or would do, to one resource. */
export interface EngineStep {
  /** `same`, `create`, `update`, `replace`, `create-replacement`, `delete-replaced`, `delete`, `refresh`, … */
  operation: string;
  urn: string;
  type: string;
  name: string;
  /** Inputs that force a replacement. */
  replaceKeys: string[];
  /** Checked inputs, secrets as the engine shows them; absent where there is no such side. */
  oldInputs?: Record<string, unknown>;
  inputs?: Record<string, unknown>;
}

export interface CommandResult {
  /** Exit code; -1 when a signal ended the command. */
  code: number;
  stdout: string;
  stderr: string;
  /** Steps of this run in the order they were begun, without those of the stack and of Pulumi's own providers. */
  steps: EngineStep[];
  /** Without those of severity `debug`. */
  diagnostics: { severity: string; urn: string; message: string }[];
  /** Number of resources by operation, as the summary at the end has it; undefined when the command did not get there. */
  changes: Record<string, number> | undefined;
}

/** A resource in the exported state. */
export interface ExportedResource {
  urn: string;
  type: string;
  id?: string;
  delete?: boolean;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

export interface ExportedStack {
  deployment: { resources?: ExportedResource[]; pending_operations?: { type: string; resource: ExportedResource }[] };
}

/** A command that ended with another exit code than 0. */
export class CommandFailedError extends Error {
  override name = "CommandFailedError";

  constructor(
    command: string,
    readonly result: CommandResult,
  ) {
    super(`pulumi ${command} ended with exit code ${result.code}:\n${result.stdout}\n${result.stderr}`);
  }
}

/**
 * Makes a stack of the project in `projectDir`, with state, configuration and Pulumi home in a temporary folder: nothing is
 * written into the project, and nothing of the user's own Pulumi is read. `dispose` it.
 */
export async function createStack(projectDir: string, options: StackOptions = {}): Promise<PulumiStack> {
  const engine = await ensureEngine(repository, (line) => console.error(line));
  const stateDir = mkdtempSync(join(tmpdir(), "pulumi-stack-"));
  const stack = new PulumiStack(projectDir, stateDir, options.name ?? "test", engine.pulumi, {
    ...pulumiEnvironment({ engine, workDir: projectDir, stateDir }),
    ...options.env,
    // The event log is behind this switch.
    PULUMI_DEBUG_COMMANDS: "true",
  });
  try {
    await stack.initialize(options.config ?? {}, options.secrets ?? {});
  } catch (error) {
    stack.dispose();
    throw error;
  }
  return stack;
}

/** One stack, operated through the `pulumi` command as a user does. */
export class PulumiStack {
  private readonly commands = new Set<RunningCommand>();
  private runs = 0;

  constructor(
    readonly projectDir: string,
    /** Holds state, configuration and Pulumi home. */
    readonly stateDir: string,
    readonly name: string,
    private readonly pulumi: string,
    private readonly env: Record<string, string>,
  ) {}

  /** `pulumi up --yes --skip-preview`. Rejects with a `CommandFailedError`, as all of these do. */
  up(options?: CommandOptions): Promise<CommandResult> {
    return this.start("up", options).succeed();
  }

  /** `pulumi preview --diff`. */
  preview(options?: CommandOptions): Promise<CommandResult> {
    return this.start("preview", options).succeed();
  }

  /** `pulumi refresh --yes --skip-preview`. */
  refresh(options?: CommandOptions): Promise<CommandResult> {
    return this.start("refresh", options).succeed();
  }

  /** `pulumi destroy --yes --skip-preview`. */
  destroy(options?: CommandOptions): Promise<CommandResult> {
    return this.start("destroy", options).succeed();
  }

  /** Starts a command without waiting for it, to be killed or to be expected to fail. */
  start(command: "up" | "preview" | "refresh" | "destroy", options: CommandOptions = {}): RunningCommand {
    const events = join(this.stateDir, `events-${++this.runs}.jsonl`);
    const mode = command === "preview" ? ["--diff"] : ["--yes", "--skip-preview"];
    const args = [command, ...mode, "--stack", this.name, "--config-file", this.configFile, "--event-log", events, ...(options.args ?? [])];
    return this.spawn(args, this.projectDir, events, options.env);
  }

  /** `pulumi cancel --yes`: takes away the lock that a killed command leaves in a file backend; the next one refuses to start else. */
  async cancel(): Promise<void> {
    await this.spawn(["cancel", this.name, "--yes"], this.projectDir).succeed();
  }

  /** Any other command on this stack, such as `["stack", "output", "--json"]`. */
  run(args: string[], options: Pick<CommandOptions, "env"> = {}): Promise<CommandResult> {
    return this.spawn([...args, "--stack", this.name], this.projectDir, undefined, options.env).succeed();
  }

  /** `pulumi stack export`: secrets stay encrypted. */
  async export(): Promise<ExportedStack> {
    return JSON.parse((await this.run(["stack", "export"])).stdout);
  }

  /** The exported resources, without the stack and Pulumi's own providers. */
  async resources(): Promise<ExportedResource[]> {
    return ((await this.export()).deployment.resources ?? []).filter((resource) => !isInternal(resource.type));
  }

  /** Ends what still runs and removes the stack's folder. What the provider made is the test's to remove. */
  dispose(): void {
    for (const command of this.commands) command.killAll();
    rmSync(this.stateDir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** @internal */
  async initialize(config: Record<string, string>, secrets: Record<string, string>): Promise<void> {
    // The command writes its configuration beside Pulumi.yaml. A folder of ours with the same project name takes it.
    const { name } = parse(readFileSync(join(this.projectDir, "Pulumi.yaml"), "utf8")) as { name: string };
    mkdirSync(this.configDir);
    writeFileSync(join(this.configDir, "Pulumi.yaml"), `name: ${name}\nruntime: nodejs\n`);
    await this.spawn(["stack", "init", "--stack", this.name], this.configDir).succeed();
    for (const [key, value] of Object.entries(config)) await this.configure(key, value, "--plaintext");
    for (const [key, value] of Object.entries(secrets)) await this.configure(key, value, "--secret");
  }

  private async configure(key: string, value: string, kind: "--plaintext" | "--secret"): Promise<void> {
    await this.spawn(["config", "set", key, value, kind, "--stack", this.name], this.configDir).succeed();
  }

  private get configDir(): string {
    return join(this.stateDir, "config");
  }

  private get configFile(): string {
    return join(this.configDir, `Pulumi.${this.name}.yaml`);
  }

  private spawn(args: string[], cwd: string, events?: string, env?: Record<string, string>): RunningCommand {
    const child = spawn(this.pulumi, [...args, "--non-interactive", "--color", "never"], {
      cwd,
      env: { ...this.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const command = new RunningCommand(child, args.join(" "), events);
    this.commands.add(command);
    const forget = () => this.commands.delete(command);
    command.ended.then(forget, forget);
    return command;
  }
}

/** A `pulumi` command under way. */
export class RunningCommand {
  /** Settles when the command has ended, with whatever exit code; rejects only when it could not be started. */
  readonly ended: Promise<CommandResult>;
  private readonly endWithUs = () => this.killAll();

  constructor(
    private readonly child: ChildProcess,
    private readonly command: string,
    private readonly eventsPath: string | undefined,
  ) {
    process.once("exit", this.endWithUs);
    this.ended = this.collect();
  }

  /** As `ended`, but rejects with a `CommandFailedError` when the exit code is not 0. */
  async succeed(): Promise<CommandResult> {
    const result = await this.ended;
    if (result.code !== 0) throw new CommandFailedError(this.command, result);
    return result;
  }

  /**
   * SIGKILL to the CLI, its language host, the program and the provider process: a power cut. Resolves when the command
   * has ended.
   */
  async kill(): Promise<CommandResult> {
    this.killAll();
    return this.ended;
  }

  /**
   * SIGKILL to the process group of the CLI only, as a terminal or a CI runner does. The plugins have groups of their own
   * and live on for as long as they like: returns their process ids, for the test to watch and end.
   */
  async killGroup(): Promise<{ result: CommandResult; survivors: number[] }> {
    const pid = this.child.pid ?? 0;
    const survivors = listDescendants(pid);
    if (pid > 0) signal(-pid, "SIGKILL");
    // The survivors hold the output streams open, so the end of the process itself is what counts.
    if (this.child.exitCode === null && this.child.signalCode === null) await new Promise((resolve) => this.child.once("exit", resolve));
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
    return { result: await this.ended, survivors };
  }

  /** @internal */
  killAll(): void {
    if (this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null) killTree(this.child.pid);
  }

  private collect(): Promise<CommandResult> {
    const { child } = this;
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        process.removeListener("exit", this.endWithUs);
        resolve({ code: code ?? -1, stdout, stderr, ...readEvents(this.eventsPath) });
      });
    });
  }
}

interface StepMetadata {
  op: string;
  urn: string;
  type: string;
  keys?: string[] | null;
  old?: { inputs?: Record<string, unknown> } | null;
  new?: { inputs?: Record<string, unknown> } | null;
}

interface EngineEvent {
  resourcePreEvent?: { metadata: StepMetadata };
  diagnosticEvent?: { severity: string; urn?: string; message: string };
  summaryEvent?: { resourceChanges: Record<string, number> };
}

function readEvents(path: string | undefined): Pick<CommandResult, "steps" | "diagnostics" | "changes"> {
  const result: Pick<CommandResult, "steps" | "diagnostics" | "changes"> = { steps: [], diagnostics: [], changes: undefined };
  if (path === undefined || !existsSync(path)) return result;
  // A killed command leaves half a line at the end.
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  for (const line of lines) {
    const event = JSON.parse(line) as EngineEvent;
    const metadata = event.resourcePreEvent?.metadata;
    if (metadata && !isInternal(metadata.type)) result.steps.push(toStep(metadata));
    const { severity, urn = "", message } = event.diagnosticEvent ?? { severity: "debug", message: "" };
    if (severity !== "debug") result.diagnostics.push({ severity, urn, message });
    if (event.summaryEvent) result.changes = event.summaryEvent.resourceChanges;
  }
  return result;
}

function toStep({ op, urn, type, keys, old, new: next }: StepMetadata): EngineStep {
  const name = urn.split("::").at(-1) ?? "";
  return { operation: op, urn, type, name, replaceKeys: keys ?? [], oldInputs: old?.inputs, inputs: next?.inputs };
}

function isInternal(type: string): boolean {
  return type.startsWith("pulumi:");
}
