/** The life of one test VM, step by step. */
import type { Federation } from "../../config";
import { planRoute } from "../../migration";
import type { Inputs } from "../../providers/inputs";
import type { Settings } from "./settings";
import type { TestSite } from "./site";
import { SkippedStep, type StepPlan, stepKey } from "./steps";
import { type TestVm, TestVmError, type UpResult } from "./test-vm";

export interface VmStepsContext {
  federation: Federation;
  settings: Settings;
  site: TestSite;
  /** Where the VM goes at last; absent: only one cluster is tested. */
  next?: TestSite;
  vm: TestVm;
  /** Told of every guest the test has had. */
  onGuest: (vmid: number) => void;
  /** Whether the step before went well. */
  succeeded: (key: string) => boolean;
}

/** In their order; what they do is only asked of them when they run. */
export function vmSteps(context: VmStepsContext): StepPlan[] {
  const { site, vm, next } = context;
  const cluster = site.cluster.id;
  let args: Inputs = firstArgs(context);
  /** Changes the declaration and brings it about; a declaration that failed is taken back. */
  const up = async (changes: Inputs, expected: UpResult[]) => {
    const wanted = { ...args, ...changes };
    const result = await vm.up(wanted);
    args = wanted;
    context.onGuest(vm.state.vmid);
    if (!expected.includes(result)) throw new TestVmError(`it was to be ${expected.join(" or ")}, and was ${result}.`);
  };
  const key = (step: string) => stepKey({ cluster, step });
  const own = (step: string, needs: string[], run: StepPlan["run"]): StepPlan => ({ cluster, step, needs: needs.map(key), run });
  const steps = [
    own("create", ["connect", "clear", "pool"], async () => {
      await up({}, ["created"]);
      const { vmid, __at } = vm.state;
      return `vm ${vmid} on ${__at.node}`;
    }),
    own("read back", ["create"], async () => {
      await vm.refresh();
      return undefined;
    }),
    own("update in place", ["create"], async () => {
      await up({ memory: "640MiB", description: "federate selftest, changed", tags: ["selftest", "changed"] }, ["updated"]);
      return "memory, description and tags";
    }),
    own("grow the disk", ["create"], async () => {
      await up({ disks: [{ size: "2GiB" }] }, ["updated"]);
      return "1 GiB to 2 GiB";
    }),
    own("start", ["create"], async () => {
      await up({ running: true }, ["updated"]);
      return undefined;
    }),
    own("move to another node", ["create"], async () => {
      const { node } = vm.state.__at;
      const [other] = await site.otherNodes(node);
      if (other === undefined) throw new SkippedStep("no other node is online and has the storage");
      await up({ pin: { cluster, node: other } }, ["updated"]);
      return `from ${node} to ${other}, ${context.succeeded(key("start")) ? "running" : "stopped"}`;
    }),
    own("stop", ["start"], async () => {
      await up({ running: false }, ["updated"]);
      return undefined;
    }),
  ];
  if (next !== undefined) steps.push(own(`move to ${next.cluster.id}`, ["create"], () => moveTo(context, next, up)));
  steps.push(
    own("refresh", ["create"], async () => {
      await vm.refresh();
      const result = await vm.up(args);
      if (result !== "unchanged") throw new TestVmError(`nothing was to be changed, and it was ${result}.`);
      return "no drift, nothing to change";
    }),
  );
  return steps;
}

async function moveTo(
  context: VmStepsContext,
  next: TestSite,
  up: (changes: Inputs, expected: UpResult[]) => Promise<void>,
): Promise<string> {
  const { federation, site, vm, succeeded } = context;
  const [from, to] = [site.cluster.id, next.cluster.id];
  const routed = planRoute(federation, from, to);
  if (!routed.ok) throw new SkippedStep(routed.reason);
  for (const step of ["connect", "clear", "pool"])
    if (!succeeded(stepKey({ cluster: to, step }))) throw new SkippedStep(`it needs "${stepKey({ cluster: to, step })}"`);
  const { vmid } = vm.state;
  // Whatever comes of it, its archives and its target would carry this vmid.
  context.onGuest(vmid);
  await up({ pin: { cluster: to } }, ["replaced"]);
  const { __at, lastMove } = vm.state;
  const through = routed.route.store === undefined ? "" : ` through ${routed.route.store.name}`;
  return `${lastMove?.method ?? routed.route.method}${through}, vm ${vm.state.vmid} on ${__at.node}`;
}

/** Small, without a system: what it does after its start is wait for something to boot. */
function firstArgs({ site, settings }: VmStepsContext): Inputs {
  return {
    name: `selftest-${site.cluster.id}`
      .replace(/[^a-zA-Z0-9-]/g, "-")
      .slice(0, 63)
      .replace(/-+$/, ""),
    cores: 1,
    memory: "512MiB",
    disks: [{ size: "1GiB" }],
    ...(settings.network === undefined ? {} : { networks: [{ network: settings.network }] }),
    tags: ["selftest"],
    description: "federate selftest",
    onBoot: false,
    running: false,
    // Nothing in it listens to a shutdown.
    shutdown: { timeoutSeconds: 5, force: true },
    pin: { cluster: site.cluster.id },
  };
}
