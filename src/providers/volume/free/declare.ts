/** A PersistentVolume as a program would declare it to take it over as it is: the opposite of `toPersistentVolume`. Pure. */
import { type PersistentVolume, parseFlag, parseStorageQuantity } from "../../../kubernetes";
import { type Inputs, withoutUndefined } from "../../inputs";

/** Everything but its place and its storage class. */
export function declarationOf({ spec }: PersistentVolume, name: string): Inputs {
  const { csi, claimRef, capacity, volumeMode = "Filesystem" } = spec ?? {};
  const secret = csi?.nodeStageSecretRef;
  return withoutUndefined({
    name: guestName(name),
    size: parseStorageQuantity(capacity?.storage ?? "0"),
    storageClassName: spec?.storageClassName ?? "",
    volumeMode,
    accessMode: spec?.accessModes?.[0],
    mountOptions: spec?.mountOptions ?? [],
    // An empty name is ext4 to the plugin.
    fsType: volumeMode === "Filesystem" ? csi?.fsType || "ext4" : undefined,
    attributes: attributesOf(csi?.volumeAttributes ?? {}),
    luks: secret && { secretName: secret.name, secretNamespace: secret.namespace },
    // Somebody else has made it, and it is bound again as it was.
    claim: claimRef && { namespace: claimRef.namespace, name: claimRef.name, create: false },
  });
}

function attributesOf({ cache, aio, ssd, iothread, diskIOPS, diskMBps }: Record<string, string>): Inputs {
  return {
    cache,
    aio,
    ssd: ssd === undefined ? undefined : parseFlag(ssd),
    ioThread: iothread === undefined ? undefined : parseFlag(iothread),
    diskIops: diskIOPS === undefined ? undefined : Number(diskIOPS),
    diskMBps: diskMBps === undefined ? undefined : Number(diskMBps),
  };
}

/** What of the name a guest and a PersistentVolume with a suffix can be called. */
function guestName(name: string): string {
  return name
    .replace(/[^a-z0-9-]/g, "-")
    .slice(0, 54)
    .replace(/-+$/, "");
}
