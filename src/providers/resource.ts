/** What the resource classes have in common: the constant one-liner, the type token and the identity. */
import * as pulumi from "@pulumi/pulumi";
import type { DeclaredOrder } from "./declaration-order";

type Handler = "federatedVm" | "proxmoxDisk" | "resourcePool" | "zonedPersistentVolume";

/**
 * The whole program code in a stack's state. A promise to every stack ever written: it must never change, or old stacks
 * lose their diffs. Deletes run it too, so the names behind it stay for ever.
 */
export function providerText(handler: Handler): string {
  return `exports.handler=()=>require("proxmox-federation/runtime").${handler}`;
}

/** What `check` and `create` repeat of a VM's inputs under another name. */
const REPEATED: Partial<Record<Handler, readonly string[]>> = { federatedVm: ["__desired", "__observed"] };

/** The engine keeps secret what was secret at the same path only: a repetition of a secret must have been one from the start. */
function asSecretAs(inputs: pulumi.Inputs, keys: readonly string[]): pulumi.Inputs {
  return Object.fromEntries(keys.map((key) => [key, pulumi.output(inputs).apply(() => "")]));
}

/** @throws Error where the engine would destroy what holds the data before there is another one */
function refuseDeleteBeforeReplace(type: string, handler: Handler, name: string, options: pulumi.CustomResourceOptions | undefined): void {
  if (options?.deleteBeforeReplace !== true || handler === "resourcePool") return;
  throw new Error(
    `${type} ${name}: deleteBeforeReplace would destroy its data, which a replacement takes over from it. Remove that option; a replaced one is always removed last.`,
  );
}

/** Base of our resources: a dynamic resource whose logic is loaded at run time instead of being serialized. */
export abstract class FederationResource extends pulumi.CustomResource {
  protected constructor(
    type: string,
    handler: Handler,
    name: string,
    inputs: pulumi.Inputs,
    outputs: string[],
    order: { identityName?: string } & Partial<DeclaredOrder>,
    options: pulumi.CustomResourceOptions | undefined,
  ) {
    // The engine returns only what is declared here, if only as undefined.
    const declared = Object.fromEntries(outputs.map((key) => [key, undefined]));
    refuseDeleteBeforeReplace(type, handler, name, options);
    const token = `pulumi-nodejs:dynamic/proxmox:${type}`;
    super(
      token,
      name,
      {
        ...declared,
        ...inputs,
        ...asSecretAs(inputs, REPEATED[handler] ?? []),
        __provider: providerText(handler),
        // The provider process is not told the URN; progress is shown beside it.
        __urn: withoutDependencies(pulumi.createUrn(name, token, options?.parent)),
        __identity: { stack: `${pulumi.getProject()}/${pulumi.getStack()}`, name: order.identityName ?? name },
        // Read by `check` and not kept: nothing of it reaches the state.
        __before: order.before,
        __ordered: order.ordered,
        __together: order.together,
      },
      options,
    );
  }
}

/** An output of a component stands for all its children: a child that waited for its parent's would wait for itself. */
function withoutDependencies<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((resolve) => output.apply((value) => resolve(value as pulumi.Unwrap<T>)));
}
