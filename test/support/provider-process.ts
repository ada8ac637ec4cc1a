import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as providerProto from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { EngineLog, type LogMessage } from "./engine-log";
import { decodeProperties, encodeProperties, type PropertyMap } from "./property-values";

/** The engine sends no deadline either; this one only keeps a broken test from hanging for ever. */
const defaultCallTimeoutMs = 300_000;
const stopTimeoutMs = 5_000;
const maximumMessageBytes = 400 * 1024 * 1024;

export interface ProviderProcessOptions {
  /** Working directory; the engine uses that of Pulumi.yaml. Modules are found from its `node_modules` upward. */
  cwd: string;
  /** Added to this process's own environment. */
  env?: Record<string, string>;
  /** Stack configuration; a bare key belongs to the project. */
  config?: Record<string, string>;
  /** Default: `test`. */
  project?: string;
  callTimeoutMs?: number;
}

export interface CheckResult {
  inputs: PropertyMap;
  failures: { property: string; reason: string }[];
}

export interface DiffResult {
  /** Undefined: the provider did not say, the engine compares the inputs itself. */
  changes: boolean | undefined;
  replaces: string[];
  deleteBeforeReplace: boolean;
}

export interface ReadResult {
  /** Empty: the resource is gone. */
  id: string;
  outputs: PropertyMap;
  inputs: PropertyMap | undefined;
}

/** An error a provider's method threw. */
export class ProviderError extends Error {
  override name = "ProviderError";

  constructor(
    readonly method: ProviderMethod,
    message: string,
    /** Set when the provider said that the resource exists although the call failed. */
    readonly partial?: { id: string; outputs: PropertyMap; reasons: string[] },
  ) {
    super(message);
  }
}

/** The provider process ended while a call was under way, so what the call did is not known. */
export class ProviderGoneError extends Error {
  override name = "ProviderGoneError";

  constructor(
    readonly method: ProviderMethod,
    details: string,
  ) {
    super(`The provider process ended during ${method}: ${details}`);
  }
}

export type ProviderMethod = "configure" | "check" | "diff" | "create" | "read" | "update" | "delete";

type Unary<Request, Response> = (
  request: Request,
  metadata: grpc.Metadata,
  options: Partial<grpc.CallOptions>,
  callback: (error: grpc.ServiceError | null, response: Response) => void,
) => grpc.ClientUnaryCall;

/**
 * Pulumi's own process for dynamic providers, driven as the engine drives it: over gRPC, one process per operation.
 * Whoever starts one stops it.
 */
export class ProviderProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly client: ResourceProviderClient,
    private readonly engineLog: EngineLog,
    /** What the process printed, line by line; the engine shows it as diagnostics of the stack. */
    readonly output: string[],
    private readonly callTimeoutMs: number,
  ) {}

  /** Starts the process and configures the provider. */
  static async start(options: ProviderProcessOptions): Promise<ProviderProcess> {
    const project = options.project ?? "test";
    const script = createRequire(join(options.cwd, "package.json")).resolve("@pulumi/pulumi/cmd/dynamic-provider");
    const engineLog = await EngineLog.start();
    const child = spawn(process.execPath, [script, engineLog.address], {
      cwd: options.cwd,
      env: { ...process.env, PULUMI_PROJECT: project, PULUMI_NODEJS_PROJECT: project, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const endWithUs = () => child.kill("SIGKILL");
    process.once("exit", endWithUs);
    child.once("exit", () => process.removeListener("exit", endWithUs));
    try {
      const output: string[] = [];
      const port = await readPort(child, output);
      const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
        "grpc.max_receive_message_length": maximumMessageBytes,
        "grpc.max_send_message_length": maximumMessageBytes,
      });
      const provider = new ProviderProcess(child, client, engineLog, output, options.callTimeoutMs ?? defaultCallTimeoutMs);
      await provider.configure(options.config ?? {}, project);
      return provider;
    } catch (error) {
      child.kill("SIGKILL");
      engineLog.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** What the provider sent to the engine's log. */
  get log(): readonly LogMessage[] {
    return this.engineLog.messages;
  }

  async check(urn: string, olds: PropertyMap, news: PropertyMap): Promise<CheckResult> {
    const request = new providerProto.CheckRequest();
    request.setUrn(urn);
    request.setOlds(encodeProperties(olds));
    request.setNews(encodeProperties(news));
    const response = await this.call("check", this.client.check, request);
    return {
      inputs: decodeProperties(response.getInputs()),
      failures: response.getFailuresList().map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() })),
    };
  }

  /** `olds` are the old outputs. */
  async diff(urn: string, id: string, olds: PropertyMap, news: PropertyMap): Promise<DiffResult> {
    const request = new providerProto.DiffRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setOlds(encodeProperties(olds));
    request.setNews(encodeProperties(news));
    const response = await this.call("diff", this.client.diff, request);
    const { DIFF_NONE, DIFF_SOME } = providerProto.DiffResponse.DiffChanges;
    const changes = response.getChanges();
    return {
      changes: changes === DIFF_SOME ? true : changes === DIFF_NONE ? false : undefined,
      replaces: response.getReplacesList(),
      deleteBeforeReplace: response.getDeletebeforereplace(),
    };
  }

  async create(urn: string, inputs: PropertyMap): Promise<{ id: string; outputs: PropertyMap }> {
    const request = new providerProto.CreateRequest();
    request.setUrn(urn);
    request.setProperties(encodeProperties(inputs));
    const response = await this.call("create", this.client.create, request);
    return { id: response.getId(), outputs: decodeProperties(response.getProperties()) };
  }

  async read(urn: string, id: string, outputs: PropertyMap): Promise<ReadResult> {
    const request = new providerProto.ReadRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(encodeProperties(outputs));
    const response = await this.call("read", this.client.read, request);
    const inputs = response.getInputs();
    return {
      id: response.getId(),
      outputs: decodeProperties(response.getProperties()),
      inputs: inputs ? decodeProperties(inputs) : undefined,
    };
  }

  /** `olds` are the old outputs; returns the new ones. */
  async update(urn: string, id: string, olds: PropertyMap, news: PropertyMap): Promise<PropertyMap> {
    const request = new providerProto.UpdateRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setOlds(encodeProperties(olds));
    request.setNews(encodeProperties(news));
    const response = await this.call("update", this.client.update, request);
    return decodeProperties(response.getProperties());
  }

  async delete(urn: string, id: string, outputs: PropertyMap): Promise<void> {
    const request = new providerProto.DeleteRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(encodeProperties(outputs));
    await this.call("delete", this.client.delete, request);
  }

  /** Forgets what it printed and logged. */
  clear(): void {
    this.output.length = 0;
    this.engineLog.clear();
  }

  get isGone(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** SIGKILL, at once: calls under way end with a `ProviderGoneError`. */
  kill(): void {
    this.child.kill("SIGKILL");
  }

  /** Resolves when the process is gone. */
  async untilGone(): Promise<void> {
    if (!this.isGone) await once(this.child, "exit");
  }

  /** As the engine ends a plugin: SIGINT, and SIGKILL for one that does not go. */
  async stop(): Promise<void> {
    this.client.close();
    if (!this.isGone) {
      const ended = once(this.child, "exit");
      const timer = setTimeout(() => this.child.kill("SIGKILL"), stopTimeoutMs);
      this.child.kill("SIGINT");
      await ended;
      clearTimeout(timer);
    }
    this.engineLog.stop();
  }

  private async configure(config: Record<string, string>, project: string): Promise<void> {
    const qualified = Object.entries(config).map(([key, value]) => [key.includes(":") ? key : `${project}:${key}`, value]);
    const request = new providerProto.ConfigureRequest();
    request.setArgs(encodeProperties(Object.fromEntries(qualified)));
    request.setAcceptsecrets(true);
    await this.call("configure", this.client.configure, request);
  }

  private call<Request, Response>(method: ProviderMethod, send: Unary<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + this.callTimeoutMs;
      send.call(this.client, request, new grpc.Metadata(), { deadline }, (error, response) => {
        if (!error) return resolve(response);
        const gone = error.code === grpc.status.UNAVAILABLE || error.code === grpc.status.CANCELLED;
        reject(gone ? new ProviderGoneError(method, error.details) : toProviderError(method, error));
      });
    });
  }
}

/** The first line the process prints is the port it listens on; all that follow go to `output`. */
function readPort(child: ChildProcess, output: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const { stdout, stderr } = child;
    if (!stdout || !stderr) throw new Error("The provider process has no output streams.");
    let ready = false;
    createInterface({ input: stdout }).on("line", (line) => {
      if (ready) output.push(line);
      else resolve(Number(line));
      ready = true;
    });
    createInterface({ input: stderr }).on("line", (line) => output.push(line));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      reject(new Error(`The provider process ended at its start (${signal ?? `exit code ${code}`}): ${output.join("\n")}`));
    });
  });
}

function toProviderError(method: ProviderMethod, error: grpc.ServiceError): ProviderError {
  const [details] = error.metadata.get("grpc-status-details-bin");
  return new ProviderError(method, error.details, details instanceof Buffer ? readPartialFailure(details) : undefined);
}

function readPartialFailure(details: Buffer): ProviderError["partial"] {
  for (const detail of Status.deserializeBinary(details).getDetailsList()) {
    const failed = detail.unpack(providerProto.ErrorResourceInitFailed.deserializeBinary, "pulumirpc.ErrorResourceInitFailed");
    if (failed) return { id: failed.getId(), outputs: decodeProperties(failed.getProperties()), reasons: failed.getReasonsList() };
  }
  return undefined;
}
