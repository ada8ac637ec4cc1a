/** `federate volumes list`: PersistentVolumes of the Proxmox CSI driver. Asks Kubernetes only. */
import { roundedSize } from "../../config";
import { EXIT, type ExitCode } from "../exit-codes";
import type { Format } from "../formats";
import type { CliIo } from "../io";
import { writeResult } from "../output";
import { table } from "../words";
import { type ConnectionOptions, type CsiVolume, connect, listCsiVolumes, resourceName } from "./volumes";

export interface ListOptions extends ConnectionOptions {
  format: Format;
}

export async function listVolumes(options: ListOptions, io: CliIo): Promise<ExitCode> {
  const volumes = await listCsiVolumes(await connect(options));
  const rows = volumes.map(({ object: _object, ...row }) => row);
  writeResult(io.stdout, options.format, { volumes: rows }, () => listText(volumes));
  return EXIT.ok;
}

function listText(volumes: readonly CsiVolume[]): string {
  if (volumes.length === 0) return "no volumes of the Proxmox CSI driver";
  return table([
    ["VOLUME", "REGION", "ZONE", "STORAGE", "SIZE", "PHASE", "CLAIM", "MADE BY"],
    ...volumes.map(({ name, handle, sizeBytes, phase, claim, mark }) => [
      name,
      handle?.region ?? "?",
      handle ? (handle.zone ?? "all") : "?",
      handle?.storage ?? "?",
      roundedSize(sizeBytes),
      phase,
      claim ?? "–",
      mark ? `${resourceName(mark)} of ${mark.stack}` : "–",
    ]),
  ]).join("\n");
}
