/**
 * A VM as a Pulumi program has it: each `up` is a preview and an update in sessions of their own, and goes through the same
 * functions as the provider process.
 */
import { type Inputs, withoutUndefined } from "../../providers/inputs";
import type { Session } from "../../providers/session";
import { createVm } from "../../providers/vm/create";
import { deleteVm } from "../../providers/vm/delete";
import { diffVm } from "../../providers/vm/diff";
import { checkVm } from "../../providers/vm/plan";
import { readVm } from "../../providers/vm/read";
import { readVmOutputs, type VmOutputs } from "../../providers/vm/state";
import { updateVm } from "../../providers/vm/update";

export type UpResult = "created" | "updated" | "replaced" | "unchanged";

/** Runs work in a session of its own: nothing is remembered from one run to the next. */
export type InSession = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

/** What the engine would show as an error of the resource. */
export class TestVmError extends Error {
  readonly code = "SELFTEST";
}

export class TestVm {
  private inputs: Inputs = {};
  private outputs: Inputs | undefined;

  /** @param fixed `__identity` and `__poolDefinition`, as the resource class adds them */
  constructor(
    private readonly inSession: InSession,
    private readonly fixed: Inputs,
  ) {}

  get state(): VmOutputs {
    if (!this.outputs) throw new TestVmError("the VM does not exist.");
    return readVmOutputs(this.outputs);
  }

  get exists(): boolean {
    return this.outputs !== undefined;
  }

  async up(args: Inputs): Promise<UpResult> {
    const news = { ...args, ...this.fixed };
    await this.inSession((session) => this.check(session, this.inputs, news));
    return this.inSession(async (session) => {
      const checked = await this.check(session, this.inputs, news);
      const result = await this.apply(session, checked, news);
      return result;
    });
  }

  private async apply(session: Session, checked: Inputs, news: Inputs): Promise<UpResult> {
    const before = this.outputs;
    if (!before) {
      await this.create(session, checked);
      return "created";
    }
    const { changes, replaces } = diffVm(before, checked);
    if (!changes) return "unchanged";
    if (replaces.length === 0) {
      this.outputs = withoutUndefined((await updateVm(session, before, checked)).outs);
      this.inputs = checked;
      return "updated";
    }
    // As the engine does it: a second check without old inputs, the new one first, then the old one.
    await this.create(session, await this.check(session, {}, news));
    await deleteVm(session, before);
    return "replaced";
  }

  private async create(session: Session, checked: Inputs): Promise<void> {
    this.outputs = withoutUndefined((await createVm(session, checked)).outs);
    this.inputs = checked;
  }

  private async check(session: Session, olds: Inputs, news: Inputs): Promise<Inputs> {
    const { inputs, failures } = await checkVm(session, olds, news);
    if (failures.length > 0)
      throw new TestVmError(failures.map(({ property, reason }) => (property === "" ? reason : `${property}: ${reason}`)).join("; "));
    return withoutUndefined(inputs);
  }

  /** @throws TestVmError when it is gone or not as declared */
  async refresh(): Promise<void> {
    const before = this.state;
    const read = await this.inSession((session) => readVm(session, `${before.__at.cluster}/${before.vmid}`, this.outputs!));
    if (read.id === "") throw new TestVmError(`vm ${before.vmid} is not on ${before.__at.cluster} any more.`);
    this.outputs = withoutUndefined(read.props);
    const { drift = [] } = readVmOutputs(this.outputs);
    if (drift.length > 0) throw new TestVmError(`vm ${before.vmid} is not as declared: ${drift.join("; ")}.`);
  }

  async destroy(): Promise<void> {
    const { outputs } = this;
    if (!outputs) return;
    await this.inSession((session) => deleteVm(session, outputs));
    this.outputs = undefined;
  }
}
