/** Version facts that guests show. */
import type { Era } from "../state";

export const qemuVersion = "10.0.2";

/** 9.2 raises the machine's revision for guests with a network card. */
export function machineVersion(era: Era, config: Record<string, string>): string {
  const revised = era === "9.2" && Object.keys(config).some((key) => /^net\d+$/.test(key));
  return `pc-i440fx-10.0+pve${revised ? 1 : 0}`;
}
