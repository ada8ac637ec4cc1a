/** What every operation on a volume starts from. */
import type { KubernetesApi } from "../../kubernetes";
import type { Identity } from "../../migration";
import { type IdentityInput, type Inputs, identityOf, userInputs } from "../inputs";
import type { Session } from "../session";
import { diskIdentity } from "./disk-inputs";
import { kubernetesOf } from "./kubernetes";
import { type VolumeSpec, volumeSchema } from "./spec";
import { COMPUTED_KEYS, OUTPUT_KEYS } from "./state";

export interface VolumeContext {
  session: Session;
  inputs: Inputs;
  spec: VolumeSpec;
  /** Of the disk behind it; the PersistentVolume carries the same. */
  identity: Identity;
  kubernetes: KubernetesApi;
}

export async function volumeContext(session: Session, inputs: Inputs): Promise<VolumeContext> {
  const spec = specOf(inputs);
  return {
    session,
    inputs,
    spec,
    identity: await identityOfVolume(session, inputs),
    kubernetes: await kubernetesOf(session, spec.kubernetes),
  };
}

export function specOf(inputs: Inputs): VolumeSpec {
  const { name } = inputs.__identity as IdentityInput;
  return volumeSchema.parse({ name, ...userInputs(inputs, [...COMPUTED_KEYS, ...OUTPUT_KEYS]) });
}

export async function identityOfVolume(session: Session, inputs: Inputs): Promise<Identity> {
  const federation = await session.federation();
  return identityOf({ __identity: diskIdentity(inputs.__identity as IdentityInput) }, federation.name, "disk");
}
