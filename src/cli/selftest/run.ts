/** The whole test: every cluster looked at first, then one test VM after the other, then everything taken away. */
import type { Federation } from "../../config";
import type { Pace } from "../../migration";
import { Session } from "../../providers/session";
import { missingForTest } from "./privileges";
import { type Settings, testFederation, testIdentity } from "./settings";
import { TestSite } from "./site";
import { type StepReport, StepRunner } from "./steps";
import { type InSession, TestVm, TestVmError } from "./test-vm";
import { vmSteps } from "./vm-steps";

/** Longer than anything a cluster that works takes for one step with a disk of 2 GiB. */
const STEP_TIMEOUT_MS = 15 * 60_000;

export interface RunRequest {
  file: string;
  environment: Record<string, string | undefined>;
  federation: Federation;
  settings: Settings;
  /** Leave VMs and pool for a look; the next test removes them. */
  keep: boolean;
  pace: Pace & { signal: AbortSignal };
  onReport: (report: StepReport) => void;
}

export async function runSelftest(request: RunRequest): Promise<StepReport[]> {
  const { settings, pace, keep } = request;
  const federation = testFederation(request.federation, settings);
  const runner = new StepRunner(pace.nowMs, pace.signal, request.onReport);
  const scope: Scope = { settings, signal: pace.signal };
  const inSession = sessionsOf(request, scope);
  const sites = settings.clusters.map((id) => new TestSite(clusterOf(federation, id), federation, settings, inSession));
  const vmids = new Set<number>();

  const answering: string[] = [];
  for (const site of sites) {
    const cluster = site.cluster.id;
    if (await runner.run({ cluster, step: "connect", run: () => site.connect() })) answering.push(cluster);
  }
  // One that is down or refuses would hold up, or fail, every look at the others.
  scope.settings = { ...settings, clusters: answering };
  for (const site of sites) await prepare(runner, site, { federation, settings, inSession });
  for (const site of sites) {
    const others = sites.filter(({ cluster }) => cluster.id === site.cluster.id || answering.includes(cluster.id));
    const next = others.length > 1 ? others[(others.indexOf(site) + 1) % others.length] : undefined;
    await liveThrough(runner, { federation, settings: scope.settings, inSession, site, next, vmids, keep });
  }
  if (keep) return runner.reports;
  // An interruption ends the test, not the cleaning.
  const cleaner = new StepRunner(pace.nowMs, new AbortController().signal, (report) => {
    runner.reports.push(report);
    request.onReport(report);
  });
  scope.signal = undefined;
  for (const site of sites) if (answering.includes(site.cluster.id)) await cleanUp(cleaner, site, vmids);
  return runner.reports;
}

function clusterOf({ clusters }: Federation, id: string) {
  return clusters.find((cluster) => cluster.id === id)!;
}

/** What changes in the course of the test. */
interface Scope {
  /** With the clusters that answer. */
  settings: Settings;
  /** Ends long waits; absent while everything is taken away. */
  signal: AbortSignal | undefined;
}

interface Shared {
  federation: Federation;
  settings: Settings;
  inSession: InSession;
}

async function prepare(runner: StepRunner, site: TestSite, { federation, settings, inSession }: Shared): Promise<void> {
  const cluster = site.cluster.id;
  await runner.run({
    cluster,
    step: "privileges",
    needs: [`${cluster}: connect`],
    run: () => inSession((session) => checkPrivileges(session, federation, settings, cluster)),
  });
  await runner.run({ cluster, step: "clear", needs: [`${cluster}: connect`], run: () => site.clear() });
  await runner.run({ cluster, step: "pool", needs: [`${cluster}: connect`], run: () => site.ensurePool() });
}

async function checkPrivileges(session: Session, federation: Federation, settings: Settings, cluster: string): Promise<undefined> {
  const api = await session.client(cluster);
  const [permissions, { major }] = await Promise.all([api.getPermissions(), api.getVersion()]);
  const missing = missingForTest(federation, clusterOf(federation, cluster), settings, { permissions, major });
  if (missing.length === 0) return undefined;
  const each = missing.map(({ privilege, paths }) => `${privilege} on ${paths.join(" or ")}`);
  throw new TestVmError(`the credentials lack ${each.join(", ")}; docs/privileges.md has the commands.`);
}

interface Life extends Shared {
  site: TestSite;
  next: TestSite | undefined;
  vmids: Set<number>;
  keep: boolean;
}

async function liveThrough(runner: StepRunner, { federation, settings, inSession, site, next, vmids, keep }: Life): Promise<void> {
  const cluster = site.cluster.id;
  const { stack, name } = testIdentity(federation, settings, cluster);
  const vm = new TestVm(inSession, {
    __identity: { stack, name },
    __poolDefinition: { name: settings.pool, clusters: settings.clusters },
  });
  const succeeded = (key: string) => runner.succeeded(key);
  for (const step of vmSteps({ federation, settings, site, next, vm, onGuest: (vmid) => vmids.add(vmid), succeeded }))
    await runner.run(step);
  if (keep) return;
  await runner.run({
    cluster,
    step: "destroy",
    needs: [`${cluster}: create`],
    run: async () => {
      await vm.destroy();
      return undefined;
    },
  });
}

async function cleanUp(runner: StepRunner, site: TestSite, vmids: ReadonlySet<number>): Promise<void> {
  const cluster = site.cluster.id;
  await runner.run({ cluster, step: "clean up", run: () => site.removeGuests() });
  await runner.run({ cluster, step: "remove the pool", run: () => site.removePool() });
  await runner.run({ cluster, step: "nothing left", run: () => site.verifyNothingLeft(vmids) });
}

/** Every piece of work gets a session of its own, over the test's view of the federation and with an end. */
function sessionsOf({ file, environment, pace }: RunRequest, scope: Scope): InSession {
  return async (work) => {
    const signals = [AbortSignal.timeout(STEP_TIMEOUT_MS), ...(scope.signal === undefined ? [] : [scope.signal])];
    const session = new Session({ ...pace, signal: AbortSignal.any(signals) }, environment);
    const config: Record<string, string> = { "proxmox-federation:file": file };
    session.configure({ get: (key) => config[key] });
    try {
      const federation = await session.federation();
      Object.assign(federation, testFederation(federation, scope.settings));
      return await work(session);
    } finally {
      await session.close();
    }
  };
}
