/** Version facts that guests show. */
import type { Era } from "../state";

export const qemuVersion = "10.0.2";
export const machineVersion: Record<Era, string> = { "8.4": "pc-i440fx-10.0+pve0", "9.2": "pc-i440fx-10.0+pve1" };
