/** What the drill log proves about each pool. */
import type { Federation } from "../../config";
import { drillLogFile, readDrillLog } from "./log";
import { type RestoreProof, restoreProofs } from "./proof";

export async function readProofs(federation: Federation, federationFile: string, nowMs: number): Promise<RestoreProof[]> {
  const file = drillLogFile(federation, federationFile);
  return restoreProofs(federation, file === undefined ? undefined : (await readDrillLog(file)).entries, nowMs);
}
