/**
 * Entry of the dynamic-provider process: `proxmox-federation/runtime`. The text in every stack's state calls the
 * functions at the bottom for ever; their names are a promise.
 */
import { watchCancellation } from "./cancellation";
import { createDisk } from "./disk/create";
import { deleteDisk, diffDisk, readDisk } from "./disk/disk";
import { checkDisk } from "./disk/plan";
import { updateDisk } from "./disk/update";
import { type Inputs, withoutUndefined } from "./inputs";
import { createPace, forResource } from "./pace";
import { PartialCreateError } from "./partial";
import { checkPool, createPool, deletePool, diffPool, readPool, updatePool } from "./pool/pool";
import type { CheckFailure } from "./schema";
import { Session, type StackConfig } from "./session";
import { createVm } from "./vm/create";
import { deleteVm } from "./vm/delete";
import { diffVm } from "./vm/diff";
import { checkVm } from "./vm/plan";
import { readVm } from "./vm/read";
import { updateVm } from "./vm/update";
import { createVolume } from "./volume/create";
import { checkVolume } from "./volume/plan";
import { updateVolume } from "./volume/update";
import { deleteVolume, diffVolume, readVolume } from "./volume/volume";
import { exitWithEngine } from "./watchdog";

/** What Pulumi's dynamic-provider process calls. */
export interface ResourceHandlers {
  configure(request: { config: StackConfig }): Promise<void>;
  check(olds: Inputs, news: Inputs): Promise<{ inputs: Inputs; failures: CheckFailure[] }>;
  diff(id: string, oldOutputs: Inputs, newInputs: Inputs): Promise<{ changes: boolean; replaces: string[] }>;
  create(inputs: Inputs): Promise<{ id: string; outs: Inputs }>;
  read(id: string, props: Inputs): Promise<{ id: string; props: Inputs; inputs?: Inputs }>;
  update(id: string, oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }>;
  delete(id: string, props: Inputs): Promise<void>;
}

/** The engine passes its address as the last argument. */
const engineAddress = process.argv.at(-1);
exitWithEngine(engineAddress);

/** One process serves all resources of one preview or update: they share the look at the federation and its promises. */
const cancellation = watchCancellation();
const session = new Session(createPace(engineAddress, cancellation.signal));

const vmHandlers = handlers({
  check: (olds, news) => checkVm(session, olds, news),
  diff: diffVm,
  create: (inputs) => createVm(session, inputs),
  read: (id, props) => readVm(session, id, props),
  update: (olds, news) => updateVm(session, olds, news),
  delete: (props) => deleteVm(session, props),
});

const diskHandlers = handlers({
  check: (olds, news) => checkDisk(session, olds, news),
  diff: diffDisk,
  create: (inputs) => createDisk(session, inputs),
  read: (id, props) => readDisk(session, id, props),
  update: (olds, news) => updateDisk(session, olds, news),
  delete: (props) => deleteDisk(session, props),
});

const poolHandlers = handlers({
  check: (_olds, news) => checkPool(session, news),
  diff: diffPool,
  create: (inputs) => createPool(session, inputs),
  read: (id, props) => readPool(session, id, props),
  update: (olds, news) => updatePool(session, olds, news),
  delete: (props) => deletePool(session, props),
});

const volumeHandlers = handlers({
  check: (olds, news) => checkVolume(session, olds, news),
  diff: diffVolume,
  create: (inputs) => createVolume(session, inputs),
  read: (id, props) => readVolume(session, id, props),
  update: (olds, news) => updateVolume(session, olds, news),
  delete: (props) => deleteVolume(session, props),
});

interface Operations {
  check(olds: Inputs, news: Inputs): Promise<{ inputs: Inputs; failures: CheckFailure[] }>;
  diff(oldOutputs: Inputs, newInputs: Inputs): { changes: boolean; replaces: string[] };
  create(inputs: Inputs): Promise<{ id: string; outs: Inputs }>;
  read(id: string, props: Inputs): Promise<{ id: string; props: Inputs; inputs?: Inputs }>;
  update(oldOutputs: Inputs, newInputs: Inputs): Promise<{ outs: Inputs }>;
  delete(props: Inputs): Promise<void>;
}

function handlers(operations: Operations): ResourceHandlers {
  return {
    configure: async ({ config }) => session.configure(config),
    check: async (olds, news) =>
      withoutUndefined(await forResource(news.__urn, () => failuresOf(news, () => operations.check(olds, news)))),
    diff: async (_id, olds, news) => operations.diff(olds, news),
    create: (inputs) => plainly(inputs, () => operations.create(inputs)),
    read: (id, props) => plainly(props, () => operations.read(id, props)),
    update: (_id, olds, news) => plainly(news, () => operations.update(olds, news)),
    delete: (_id, props) => plainly(props, () => operations.delete(props)),
  };
}

/** An error in `check` is a finding about the resource, shown once and without a stack. */
async function failuresOf(news: Inputs, check: () => Promise<{ inputs: Inputs; failures: CheckFailure[] }>) {
  try {
    return await check();
  } catch (error) {
    if (error instanceof Error) return { inputs: news, failures: [{ property: "", reason: error.message }] };
    throw error;
  }
}

/** The process prints the stack of what read and delete throw; the message says what is to be done, the stack does not. */
async function plainly<T>(properties: Inputs, operation: () => Promise<T>): Promise<T> {
  try {
    return withoutUndefined(await cancellation.during(() => forResource(properties.__urn, operation)));
  } catch (error) {
    if (error instanceof PartialCreateError) throw error;
    // A new error: one with an `id` of its own would make the engine record a half-made resource.
    const plain = new Error(error instanceof Error ? error.message : String(error));
    if (process.env.PROXMOX_FEDERATION_STACKS !== "1") plain.stack = "";
    else if (error instanceof Error) plain.stack = error.stack;
    throw plain;
  }
}

export const federatedVm = vmHandlers;
export const proxmoxDisk = diskHandlers;
export const resourcePool = poolHandlers;
export const zonedPersistentVolume = volumeHandlers;
