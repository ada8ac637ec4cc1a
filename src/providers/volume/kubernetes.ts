/** The Kubernetes cluster of a volume, and our PersistentVolumes in it. */
import { createHash } from "node:crypto";
import {
  createKubernetesClient,
  findVolumeMark,
  type KubernetesApi,
  type KubernetesConnection,
  type PersistentVolume,
  sameVolume,
  VOLUME_LABEL,
  type VolumeMark,
} from "../../kubernetes";
import { type Identity, identityTag } from "../../migration";
import type { Session } from "../session";

/** One client per connection and provider process. */
export function kubernetesOf(session: Session, connection: KubernetesConnection): Promise<KubernetesApi> {
  const key = keyOf(connection);
  const known = session.kubernetesClients.get(key);
  if (known) return known;
  const client = createKubernetesClient(connection, { clock: { ...session.pace, random: Math.random } });
  session.kubernetesClients.set(key, client);
  return client;
}

/** Equal for equal connections. */
export function keyOf({ kubeconfig, kubeconfigContent, context }: KubernetesConnection): string {
  return JSON.stringify([kubeconfig, kubeconfigContent, context]);
}

/** A PersistentVolume of ours. */
export interface Registration {
  volume: PersistentVolume;
  name: string;
  mark: VolumeMark;
}

export function markOfVolume(identity: Identity, generation: number): VolumeMark {
  return { federation: identity.federation, stack: identity.stack, name: identity.name, generation };
}

/**
 * All PersistentVolumes of the volume, the newest first: two while a move is under way. The label only makes the search short:
 * one that somebody has taken it off is still ours, and its pod must not be overlooked.
 */
export async function listRegistrations(api: KubernetesApi, identity: Identity): Promise<Registration[]> {
  const labelled = registrationsOf(await api.listVolumes(`${VOLUME_LABEL}=${identityTag(identity)}`), identity);
  return labelled.length > 0 ? labelled : registrationsOf(await api.listVolumes(), identity);
}

/** Those without the label get it again: once a newer one has it, a search by the label would find that one alone. */
export function relabel(api: KubernetesApi, identity: Identity, registrations: readonly Registration[]): Promise<Registration[]> {
  const tag = identityTag(identity);
  return Promise.all(
    registrations.map(async (registration) =>
      registration.volume.metadata?.labels?.[VOLUME_LABEL] === tag
        ? registration
        : { ...registration, volume: await api.patchVolume(registration.name, { metadata: { labels: { [VOLUME_LABEL]: tag } } }) },
    ),
  );
}

/** As {@link listRegistrations} for plans, which only look: one list serves all volumes of the run. */
export async function listRegistrationsOnce(
  session: Session,
  connection: KubernetesConnection,
  identity: Identity,
): Promise<Registration[]> {
  const api = await kubernetesOf(session, connection);
  return registrationsOf(await session.once(`all volumes ${keyOf(connection)}`, () => api.listVolumes()), identity);
}

function registrationsOf(volumes: readonly PersistentVolume[], identity: Identity): Registration[] {
  return volumes
    .flatMap((volume) => {
      const mark = findVolumeMark(volume);
      const name = volume.metadata?.name;
      return mark && name !== undefined && sameVolume(mark, identity) ? [{ volume, name, mark }] : [];
    })
    .sort((a, b) => b.mark.generation - a.mark.generation);
}

/**
 * PersistentVolumes belong to no namespace: the suffix keeps apart two stacks, and the two that exist while one volume
 * moves. Of fixed width, since the CSI plugin compares disks by substring.
 */
export function persistentVolumeName(volumeName: string, identity: Identity, generation: number): string {
  const text = [identity.federation, identity.stack, identity.name, generation].join("\n");
  return `${volumeName}-${createHash("sha256").update(text).digest("hex").slice(0, 8)}`;
}
