/** Runs a piece of a Pulumi program against mocks, and tells what it registered as the engine would be told. */
import * as pulumi from "@pulumi/pulumi";

export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** Top-level properties that the engine is told to keep secret. */
  secrets: string[];
}

const SIGNATURE = "4dabf18193072939515e22adb298388d";

interface MarkedSecret {
  [SIGNATURE]: string;
  value: unknown;
}

export interface Program {
  registered: Registered[];
  ofType(suffix: string): Registered[];
}

/** @param config of the stack, such as `proxmox-federation:file` */
export async function runProgram<T>(config: Record<string, string>, program: () => T | Promise<T>): Promise<Program & { result: T }> {
  const registered: Registered[] = [];
  let vmid = 1000;
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const plain = Object.fromEntries(Object.entries(inputs as Record<string, unknown>).map(([key, value]) => [key, reveal(value)]));
        const secrets = Object.keys(inputs).filter((key) => isSecret((inputs as Record<string, unknown>)[key]));
        registered.push({ type, name, inputs: plain, secrets });
        const outputs = type.endsWith(":FederatedVM")
          ? { vmid: ++vmid, placement: { cluster: vmid % 2 === 1 ? "amsterdam" : "frankfurt", node: `n-${name}`, storages: [], why: "" } }
          : {};
        const metadata = { name, ...(plain.metadata as object | undefined) };
        return { id: name, state: { ...plain, metadata, ...outputs } };
      },
      call: () => ({}),
    },
    "shop",
    "dev",
  );
  pulumi.runtime.setAllConfig(config);
  const result = await program();
  await pulumi.runtime.disconnect();
  return { registered, result, ofType: (suffix) => registered.filter(({ type }) => type.endsWith(suffix)) };
}

function isSecret(value: unknown): value is MarkedSecret {
  return typeof value === "object" && value !== null && SIGNATURE in value;
}

function reveal(value: unknown): unknown {
  return isSecret(value) ? value.value : value;
}
