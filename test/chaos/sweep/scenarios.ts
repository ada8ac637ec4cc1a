/** What the sweep interrupts: how the stack stands before, and the one operation that is disturbed at every call. */
import { setClusterStatus } from "../../../src/cli/simulated-config";
import type { PropertyMap } from "../../support/property-values";
import type { DesiredResource } from "../../support/replay-model";
import { disk, pool, vm } from "../../support/stack";
import { HOME, POOL, type SweptStore } from "./federation";

export interface Scenario {
  name: string;
  store: SweptStore;
  /** What stands before; empty: nothing. */
  before: DesiredResource[];
  /** What is declared from then on: the disturbed `up`, and the one after it. */
  after: DesiredResource[];
  /** What an operator changes in federation.yaml in between. */
  edit?: (text: string) => string;
}

const drainHome = (text: string) => setClusterStatus(text, HOME, "draining");

const SHAPE: PropertyMap = {
  cores: 1,
  memory: "1GiB",
  disks: [{ size: "1GiB", storageClass: "fast" }],
  networks: [{ network: "lan" }],
  tags: ["web"],
};

const pools = [pool(POOL)];
const web = (changes: PropertyMap = {}) => vm("web", { ...SHAPE, ...changes });
const data = (size: string, attachTo?: string) => disk("data", { size, storageClass: "fast" }, attachTo);

export const SCENARIOS: Scenario[] = [
  { name: "vm create", store: "nfs", before: pools, after: [...pools, web({ agent: true })] },
  {
    name: "vm update",
    store: "nfs",
    before: [...pools, web()],
    after: [...pools, web({ cores: 2, memory: "2GiB", tags: ["db"], disks: [{ size: "2GiB", storageClass: "fast" }, { size: "1GiB" }] })],
  },
  {
    name: "vm node change",
    store: "nfs",
    before: [...pools, web({ pin: { cluster: HOME, node: "ams-1" } })],
    after: [...pools, web({ pin: { cluster: HOME, node: "ams-2" } })],
  },
  { name: "vm move cold", store: "nfs", before: [...pools, web()], after: [...pools, web()], edit: drainHome },
  { name: "vm move warm", store: "pbs", before: [...pools, web()], after: [...pools, web()], edit: drainHome },
  { name: "vm move live", store: "live-pbs", before: [...pools, web()], after: [...pools, web()], edit: drainHome },
  { name: "vm move between backup servers", store: "two-pbs", before: [...pools, web()], after: [...pools, web()], edit: drainHome },
  { name: "vm delete", store: "nfs", before: [...pools, web()], after: pools },
  { name: "disk create", store: "nfs", before: pools, after: [...pools, data("1GiB")] },
  { name: "disk grow", store: "nfs", before: [...pools, data("1GiB")], after: [...pools, data("2GiB")] },
  { name: "disk move", store: "nfs", before: [...pools, data("1GiB")], after: [...pools, data("1GiB")], edit: drainHome },
  { name: "disk attach", store: "nfs", before: [...pools, web(), data("1GiB")], after: [...pools, web(), data("1GiB", "web")] },
  { name: "disk detach", store: "nfs", before: [...pools, web(), data("1GiB", "web")], after: [...pools, web(), data("1GiB")] },
  {
    name: "disk follows its vm",
    store: "nfs",
    before: [...pools, web(), data("1GiB", "web")],
    after: [...pools, web(), data("1GiB", "web")],
    edit: drainHome,
  },
  { name: "disk delete", store: "nfs", before: [...pools, data("1GiB")], after: pools },
  { name: "pool create", store: "nfs", before: [], after: pools },
  { name: "pool update", store: "nfs", before: pools, after: [pool(POOL, { limits: { maxVms: 7 }, description: "changed" })] },
  { name: "pool delete", store: "nfs", before: pools, after: [] },
  { name: "pool create with copies", store: "copies", before: [], after: pools },
  { name: "pool delete with copies", store: "copies", before: pools, after: [] },
];
