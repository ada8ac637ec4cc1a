/** The disk behind a volume is a ProxmoxDisk in all but name: the same code plans, makes, moves and deletes it. */
import type { Company } from "../../placement";
import { engineInputs, type IdentityInput, type Inputs, withoutUndefined } from "../inputs";
import type { VolumeSpec } from "./spec";

/** Keeps the disk of volume `data` apart from a ProxmoxDisk `data` of the same stack. */
export function diskIdentity({ stack, name }: IdentityInput): IdentityInput {
  return { stack, name: `pv/${name}` };
}

/** Whether a disk of that name is one behind a volume. */
export function isBehindVolume(name: string): boolean {
  return name.startsWith("pv/");
}

/** Inputs of the disk; `news` are the volume's own, whose place in the program's order it shares. */
export function toDiskInputs(news: Inputs, spec: VolumeSpec, pin: { cluster?: string; node?: string }, company?: Company): Inputs {
  return withoutUndefined({
    ...engineInputs(news),
    __before: news.__before,
    __ordered: news.__ordered,
    __together: news.__together,
    __identity: diskIdentity(news.__identity as IdentityInput),
    // Read by `check` and not kept.
    __company: company,
    name: spec.name,
    pool: spec.pool,
    size: spec.size,
    storageClass: spec.storageClass,
    description: spec.description,
    location: spec.location,
    residency: spec.residency,
    ...(pin.cluster === undefined && pin.node === undefined ? {} : { pin }),
  });
}
