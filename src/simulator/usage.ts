/** How full a place is. */
import type { BackendState, VolumeState } from "./state";

/**
 * Bytes a volume takes on its backend. A thin one holds only the blocks that were written,
 * a thick one its whole size, an archive its compressed length.
 */
export function volumeUsedBytes(volume: VolumeState, backend: BackendState, blockBytes: number): number {
  if (volume.archive) return volume.archive.writtenBytes;
  if (volume.content !== "images" && volume.content !== "rootdir") return volume.sizeBytes;
  if (!(volume.thin ?? backend.kind !== "block")) return volume.sizeBytes;
  return Math.min(volume.sizeBytes, Object.keys(volume.blocks).length * blockBytes);
}

export function backendUsedBytes(backend: BackendState, blockBytes: number): number {
  let usedBytes = backend.reservedBytes ?? 0;
  if (backend.kind === "pbs") return Math.min(backend.totalBytes, usedBytes + Object.keys(backend.chunks).length * blockBytes);
  for (const volume of Object.values(backend.volumes)) usedBytes += volumeUsedBytes(volume, backend, blockBytes);
  return Math.min(backend.totalBytes, usedBytes);
}

export function backendFreeBytes(backend: BackendState, blockBytes: number): number {
  return Math.max(0, backend.totalBytes - backendUsedBytes(backend, blockBytes));
}
