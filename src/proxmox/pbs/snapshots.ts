import type { ApiParams, CallOptions } from "../api";
import type { Caller } from "../call";
import { segment } from "../encoding";
import { isProxmoxError } from "../errors";
import { booleanOf, compact, isRow, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "../rows";
import type { BackupGroup, BackupLocation, BackupServerApi, Snapshot, SnapshotRef } from "./api";

export function snapshotCalls(call: Caller): BackupServerApi["snapshots"] {
  const path = ({ datastore }: BackupLocation, what: string): string => `/admin/datastore/${segment(datastore)}/${what}`;
  const params = ({ namespace }: BackupLocation, { type, id, timeSeconds }: SnapshotRef): ApiParams => ({
    ns: namespace || undefined,
    "backup-type": type,
    "backup-id": id,
    "backup-time": timeSeconds,
  });

  async function list(at: BackupLocation, filter: Partial<BackupGroup> = {}, options?: CallOptions): Promise<Snapshot[]> {
    const wanted = { ns: at.namespace || undefined, "backup-type": filter.type, "backup-id": filter.id };
    return rowsOf(await call.get(path(at, "snapshots"), wanted, options)).flatMap((row) => snapshotOf(row) ?? []);
  }

  async function find(at: BackupLocation, ref: SnapshotRef, options?: CallOptions): Promise<Snapshot | undefined> {
    const group = await list(at, { type: ref.type, id: ref.id }, options);
    return group.find(({ timeSeconds }) => timeSeconds === ref.timeSeconds);
  }

  return {
    list,
    find,
    setProtected: (at, ref, isProtected, options) =>
      call.change("PUT", path(at, "protected"), { ...params(at, ref), protected: isProtected }, options),
    getNotes: async (at, ref, options) => textOf(await call.get(path(at, "notes"), params(at, ref), options)) ?? "",
    setNotes: (at, ref, notes, options) => call.change("PUT", path(at, "notes"), { ...params(at, ref), notes }, options),
    verify: (at, ref, options) => call.start("POST", path(at, "verify"), params(at, ref), options),
    delete: async (at, ref, options) => {
      try {
        await call.change("DELETE", path(at, "snapshots"), params(at, ref), options);
      } catch (error) {
        // The texts differ between versions; what counts is whether it is gone.
        const answered = isProxmoxError(error) && error.status !== undefined && !isProxmoxError(error, "PERMISSION");
        if (!answered || (await find(at, ref, options)) !== undefined) throw error;
      }
    },
  };
}

const types = ["vm", "ct", "host"] as const;

function snapshotOf(row: Row): Snapshot | undefined {
  const type = types.find((known) => known === row["backup-type"]);
  const id = textOf(row["backup-id"]);
  const timeSeconds = numberOf(row["backup-time"]);
  if (type === undefined || id === undefined || timeSeconds === undefined) return undefined;
  const verified = isRow(row.verification) ? row.verification.state : undefined;
  const verification = verified === "ok" || verified === "failed" ? verified : undefined;
  return compact<Snapshot>({
    type,
    id,
    timeSeconds,
    sizeBytes: numberOf(row.size),
    owner: nonEmptyOf(row.owner),
    notes: nonEmptyOf(row.comment),
    protected: booleanOf(row.protected),
    keyFingerprint: nonEmptyOf(row.fingerprint),
    verification,
    files: rowsOf(row.files).flatMap(({ filename }) => nonEmptyOf(filename) ?? []),
  });
}
