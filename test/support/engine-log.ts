import * as grpc from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { type LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";

export interface LogMessage {
  severity: "debug" | "info" | "warning" | "error";
  message: string;
  /** The resource it belongs to; empty: the stack. */
  urn: string;
  /** Progress, shown only until the next message. */
  ephemeral: boolean;
}

/** The part of the engine a provider process talks back to: its log. Listens on loopback until stopped. */
export class EngineLog {
  readonly messages: LogMessage[] = [];
  private readonly server = new grpc.Server();
  private port = 0;

  static async start(): Promise<EngineLog> {
    const log = new EngineLog();
    log.server.addService(EngineService, {
      log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, callback: grpc.sendUnaryData<Empty>) => {
        log.record(call.request);
        callback(null, new Empty());
      },
    });
    log.port = await new Promise<number>((resolve, reject) => {
      log.server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
    return log;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  clear(): void {
    this.messages.length = 0;
  }

  stop(): void {
    this.server.forceShutdown();
  }

  private record(request: LogRequest): void {
    const names = {
      [LogSeverity.DEBUG]: "debug",
      [LogSeverity.INFO]: "info",
      [LogSeverity.WARNING]: "warning",
      [LogSeverity.ERROR]: "error",
    } as const;
    this.messages.push({
      severity: names[request.getSeverity()],
      message: request.getMessage(),
      urn: request.getUrn(),
      ephemeral: request.getEphemeral(),
    });
  }
}
