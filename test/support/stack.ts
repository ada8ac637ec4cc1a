/** The example's resources as the replayed engine wants them. */

import { EngineReplay } from "./engine-replay";
import type { PropertyMap } from "./property-values";
import type { DesiredResource, ResolvedResource } from "./replay-model";
import type { SimulatedFederation } from "./simulated-federation";

const REPOSITORY = `${__dirname}/../..`;

function desired(
  type: string,
  handler: string,
  name: string,
  inputs: DesiredResource["inputs"],
  dependsOn: string[] = [],
): DesiredResource {
  const identity = { stack: "test/dev", name };
  return {
    type: `pulumi-nodejs:dynamic/proxmox:${type}`,
    name,
    provider: `exports.handler=()=>require("proxmox-federation/runtime").${handler}`,
    inputs: (resolve) => ({ ...(typeof inputs === "function" ? inputs(resolve) : inputs), __identity: identity }),
    dependsOn,
  };
}

export function pool(name: string, inputs: PropertyMap = {}): DesiredResource {
  return desired("ResourcePool", "resourcePool", name, inputs);
}

function poolOf({ outputs }: ResolvedResource): PropertyMap {
  const definition = outputs.definition as PropertyMap;
  return { pool: definition.name!, __poolDefinition: definition };
}

export function vm(name: string, inputs: PropertyMap, poolName = "production-pool"): DesiredResource {
  return desired(
    "FederatedVM",
    "federatedVm",
    name,
    (resolve: (other: string) => ResolvedResource) => ({ ...poolOf(resolve(poolName)), ...inputs }),
    [poolName],
  );
}

export function disk(name: string, inputs: PropertyMap, attachTo?: string, poolName = "production-pool"): DesiredResource {
  return desired(
    "ProxmoxDisk",
    "proxmoxDisk",
    name,
    (resolve: (other: string) => ResolvedResource) => {
      const base = { ...poolOf(resolve(poolName)), ...inputs };
      if (attachTo === undefined) return base;
      const { outputs } = resolve(attachTo);
      const placement = outputs.placement as PropertyMap;
      return { ...base, attachTo: { cluster: placement.cluster!, node: placement.node!, vmid: outputs.vmid! } };
    },
    attachTo === undefined ? [poolName] : [poolName, attachTo],
  );
}

export function startStack(federation: SimulatedFederation): EngineReplay {
  return new EngineReplay({ cwd: REPOSITORY, env: federation.env });
}
