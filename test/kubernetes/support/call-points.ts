/** Calls of a provider process to Proxmox and Kubernetes, counted as points at which a fault can strike. */
import type { CallDescription, FaultAction } from "../../../src/simulator";
import type { ApiProxy, KubernetesCall, KubernetesFault } from "./api-proxy";
import { type KubernetesSite, WORKERS } from "./kubernetes-site";

export const POINT_FAULTS = [
  /** The provider process is killed before the call is carried out. */
  "kill-before",
  /** It is killed when the call has been carried out. */
  "kill-after",
  /** The call is carried out, its connection is reset. */
  "lose-reply",
  /** The API server says that the object has changed meanwhile. */
  "conflict",
  /** The API server is out of order for this one call. */
  "internal-error",
  /** It is overloaded for this one call. */
  "too-many-requests",
  /** It is away from this call on until the run has ended. */
  "unavailable",
] as const;
export type PointFault = (typeof POINT_FAULTS)[number];

const STATUSES: Partial<Record<PointFault, { code: number; reason: string }>> = {
  conflict: { code: 409, reason: "Conflict" },
  "internal-error": { code: 500, reason: "InternalError" },
  "too-many-requests": { code: 429, reason: "TooManyRequests" },
  unavailable: { code: 503, reason: "ServiceUnavailable" },
};

export class CallPoints {
  private seen = new Map<PointFault, number>();
  private armed: { fault: PointFault; nth: number } | undefined;
  /** Whose end the provider process does not live to see. */
  private killAfter: CallDescription | undefined;
  /** The call that was struck, in words. */
  hit: string | undefined;

  constructor(
    site: KubernetesSite,
    private readonly proxy: ApiProxy,
    private readonly kill: () => void,
  ) {
    const { faults } = site.federation.simulator;
    faults.onCall = (call) => this.atProxmox(call);
    faults.onDone = (call) => {
      if (call === this.killAfter) this.kill();
    };
    this.proxy.onCall = (call) => this.atKubernetes(call);
  }

  /** Counts anew, and strikes at the nth call (from 1) to which the fault applies. Without arguments it only counts. */
  arm(fault?: PointFault, nth = 0): void {
    this.seen = new Map();
    this.hit = undefined;
    this.armed = fault && { fault, nth };
  }

  /** How many calls that fault could have struck since {@link arm}. */
  count(fault: PointFault): number {
    return this.seen.get(fault) ?? 0;
  }

  private atProxmox(call: CallDescription): FaultAction | undefined {
    const { cluster, method, path, template = path } = call;
    // The CSI plugin's stand-in attaches to the workers; the provider never changes them.
    if (WORKERS.some(({ vmid }) => path.includes(`/qemu/${vmid}/`))) return undefined;
    const writes = method !== "GET";
    const waits = method === "GET" && template === "/nodes/{node}/tasks/{upid}/status";
    const faults: PointFault[] = writes ? ["kill-before", "kill-after", "lose-reply"] : waits ? ["kill-before"] : [];
    switch (this.strike(faults, `${cluster} ${method} ${template}`)) {
      case "kill-before":
        this.kill();
        return { kind: "reset-before" };
      case "kill-after":
        this.killAfter = call;
        return { kind: "reset-after-commit" };
      case "lose-reply":
        return { kind: "reset-after-commit" };
      default:
        return undefined;
    }
  }

  private atKubernetes({ method, path }: KubernetesCall): KubernetesFault | undefined {
    const always: PointFault[] = ["internal-error", "too-many-requests", "unavailable"];
    const faults: PointFault[] = method === "GET" ? always : ["kill-before", "kill-after", "lose-reply", "conflict", ...always];
    const fault = this.strike(faults, `kubernetes ${method} ${path}`);
    if (fault === undefined) return this.isAway() ? { kind: "status", ...STATUSES.unavailable! } : undefined;
    if (fault === "kill-before") this.kill();
    if (fault === "kill-before") return { kind: "reset-before" };
    if (fault === "kill-after") return { kind: "after", run: this.kill };
    if (fault === "lose-reply") return { kind: "reset-after" };
    return { kind: "status", ...STATUSES[fault]! };
  }

  private isAway(): boolean {
    return this.hit !== undefined && this.armed?.fault === "unavailable";
  }

  private strike(faults: PointFault[], call: string): PointFault | undefined {
    for (const fault of faults) this.seen.set(fault, this.count(fault) + 1);
    if (!this.armed || this.hit !== undefined || !faults.includes(this.armed.fault) || this.count(this.armed.fault) !== this.armed.nth)
      return undefined;
    this.hit = call;
    return this.armed.fault;
  }
}
