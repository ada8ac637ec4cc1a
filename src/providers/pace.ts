/** Clock, waiting and progress of a provider process. */
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { ChannelCredentials } from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { Pace } from "../migration";

const resource = new AsyncLocalStorage<string>();

/** What is reported while `operation` runs shows beside the resource of that URN. */
export function forResource<T>(urn: unknown, operation: () => Promise<T>): Promise<T> {
  return resource.run(typeof urn === "string" ? urn : "", operation);
}

/**
 * @param engineAddress `host:port`; without one, reports go to stdout, which the engine shows under the stack
 * @param signal ends long waits
 */
export function createPace(engineAddress: string | undefined, signal?: AbortSignal): Pace {
  const log = /^[^\s:]+:\d+$/.test(engineAddress ?? "") ? engineLog(engineAddress!) : (message: string) => console.log(message);
  return {
    nowMs: () => Date.now(),
    sleep: (ms) => delay(ms),
    ...(signal ? { signal } : {}),
    report: (message) => log(message, false),
    progress: (message) => log(message, true),
  };
}

function engineLog(address: string): (message: string, ephemeral: boolean) => void {
  const client = new EngineClient(address, ChannelCredentials.createInsecure());
  return (message, ephemeral) => {
    const request = new LogRequest();
    request.setSeverity(LogSeverity.INFO);
    request.setMessage(message);
    request.setUrn(resource.getStore() ?? "");
    request.setEphemeral(ephemeral);
    client.log(request, (error: Error | null) => {
      // An engine that takes no messages is going away; the work does not depend on being seen.
      if (error) console.error(message);
    });
  };
}
