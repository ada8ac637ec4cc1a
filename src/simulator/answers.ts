/** Small things most handlers need. */

import type { Call } from "./kernel";
import { ApiError } from "./kernel";

/** Booleans leave Proxmox as numbers. */
export function flagOf(value: boolean): 0 | 1 {
  return value ? 1 : 0;
}

/** 400 for one parameter. */
export function parameterError(parameter: string, text: string): ApiError {
  return new ApiError(400, "Parameter verification failed.", { [parameter]: text });
}

export function textOf(call: Call, key: string): string | undefined {
  const value = call.params[key];
  return value === undefined ? undefined : String(value);
}

export function listOf(call: Call, key: string): string[] {
  const value = call.params[key];
  return Array.isArray(value) ? value : [];
}
