/**
 * Our mark on a PersistentVolume: a label that one list call finds, and an annotation that says whose volume it is. As with
 * guests, an object without the mark is never changed or deleted.
 */
import type { PersistentVolume } from "./objects";

/** Value: the identity tag of the volume. */
export const VOLUME_LABEL = "proxmox-federation/volume";
/** Value: a {@link VolumeMark} as JSON. */
export const MARK_ANNOTATION = "proxmox-federation/mark";

export interface VolumeMark {
  federation: string;
  /** `project/stack` of the Pulumi program. */
  stack: string;
  /** Resource name in the program. */
  name: string;
  /** That of the disk behind it: grows with every move. */
  generation: number;
  /** Its disk was taken over as it was, and no guest of ours owns it. */
  adopted?: true;
}

export function formatVolumeMark(mark: VolumeMark): string {
  return JSON.stringify(mark);
}

/** Undefined when there is none, or one that somebody has edited beyond recognition: then it is not ours any more. */
export function findVolumeMark(object: Pick<PersistentVolume, "metadata">): VolumeMark | undefined {
  const text = object.metadata?.annotations?.[MARK_ANNOTATION];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isVolumeMark(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isVolumeMark(value: unknown): value is VolumeMark {
  if (typeof value !== "object" || value === null) return false;
  const mark = value as Partial<VolumeMark>;
  return (
    typeof mark.federation === "string" &&
    typeof mark.stack === "string" &&
    typeof mark.name === "string" &&
    typeof mark.generation === "number"
  );
}

export function sameVolume(a: Omit<VolumeMark, "generation">, b: Omit<VolumeMark, "generation">): boolean {
  return a.federation === b.federation && a.stack === b.stack && a.name === b.name;
}
