import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diffDisk } from "../../src/providers/disk/disk";
import { type Inputs, UNKNOWN } from "../../src/providers/inputs";
import { diffVm } from "../../src/providers/vm/diff";
import type { GuestShape } from "../../src/providers/vm/shape";

const SHAPE: GuestShape = {
  scalars: { cores: "2", memory: "2048" },
  disks: { scsi0: { storage: "fast", sizeBytes: 8 * 1024 ** 3, options: { discard: "on" } } },
  networks: { net0: { model: "virtio", bridge: "vmbr0" } },
  tags: ["fed-0123456789abcdef", "web"],
  text: "the shop",
  running: true,
};
const PLACEMENT = { cluster: "a", node: "a1", storages: ["fast"], why: "best" };

const inputs = (changes: Inputs = {}): Inputs => ({
  cores: 2,
  placement: PLACEMENT,
  __desired: SHAPE,
  __pool: "prod",
  __live: { cluster: "a", node: "a1", vmid: 100 },
  ...changes,
});

const outputs = (changes: Inputs = {}): Inputs => ({
  ...inputs(),
  vmid: 100,
  macAddresses: ["BC:24:11:00:00:01"],
  addresses: [],
  __at: { cluster: "a", node: "a1" },
  __generation: 1,
  __observed: { ...SHAPE, networks: { net0: { model: "virtio", bridge: "vmbr0", mac: "BC:24:11:00:00:01" } } },
  ...changes,
});

const SAME = { changes: false, replaces: [] };
const UPDATE = { changes: true, replaces: [] };
const REPLACE = { changes: true, replaces: ["placement"] };

describe("the diff of a VM", () => {
  it.each<[string, Inputs, Inputs, typeof SAME | typeof REPLACE]>([
    ["nothing has changed", outputs(), inputs(), SAME],
    ["only the reason of its place reads differently", outputs(), inputs({ placement: { ...PLACEMENT, why: "still best" } }), SAME],
    [
      "HA has moved it inside its cluster",
      outputs(),
      inputs({ placement: { ...PLACEMENT, node: "a2" }, __live: { cluster: "a", node: "a2", vmid: 100 } }),
      SAME,
    ],
    ["a refresh has seen it elsewhere, before the next check", outputs({ __at: { cluster: "a", node: "a2" } }), inputs(), SAME],
    ["another node of its cluster is planned", outputs(), inputs({ placement: { ...PLACEMENT, node: "a2" } }), UPDATE],
    [
      "another node is planned, and nobody has looked",
      outputs(),
      inputs({ placement: { ...PLACEMENT, node: "a2" }, __live: undefined }),
      UPDATE,
    ],
    ["another cluster is planned", outputs(), inputs({ placement: { ...PLACEMENT, cluster: "b", node: "b1" } }), REPLACE],
    [
      "another cluster is planned and everything else changes too",
      outputs(),
      inputs({ placement: { ...PLACEMENT, cluster: "b", node: "b1" }, __desired: { ...SHAPE, scalars: {} }, __pool: "x" }),
      REPLACE,
    ],
    ["an interrupted move must be undone", outputs(), inputs({ recovery: "rolled back" }), UPDATE],
    ["its pool changes", outputs(), inputs({ __pool: "test" }), UPDATE],
    ["something is declared anew", outputs(), inputs({ __desired: { ...SHAPE, scalars: { ...SHAPE.scalars, cores: "4" } } }), UPDATE],
    ["something was changed by hand", outputs({ __observed: { ...SHAPE, running: false } }), inputs(), UPDATE],
    ["its place is not known yet", outputs(), inputs({ placement: UNKNOWN }), UPDATE],
    ["a part of its place is not known yet", outputs(), inputs({ placement: { ...PLACEMENT, cluster: UNKNOWN } }), UPDATE],
  ])("when %s", (_when, olds, news, expected) => {
    expect(diffVm(olds, news)).toEqual(expected);
  });

  it("with the roles swapped, as the engine asks after a refresh, finds the same differences", () => {
    // Old outputs are the refreshed ones, new inputs the ones of the state.
    const { recovery: _none, ...state } = inputs();
    expect(diffVm(outputs({ __observed: SHAPE }), state)).toEqual(SAME);
    expect(diffVm(outputs({ __observed: { ...SHAPE, tags: [] } }), state)).toEqual(UPDATE);
    // What came out is what went in, and more: taken as inputs they change nothing.
    expect(diffVm(outputs(), outputs())).toEqual(SAME);
  });

  it("replaces what comes back to the recorded place, once", () => {
    const returning = inputs({ __returns: "b/100, generation 2" });
    expect(diffVm(outputs({}), returning).replaces).toEqual(["placement"]);
    expect(diffVm(outputs({ __returns: "b/100, generation 2" }), returning).replaces).toEqual([]);
  });

  it("changes nothing it is given, and answers the same each time", () => {
    const cluster = fc.constantFrom("a", "b");
    const node = fc.constantFrom("n1", "n2");
    const place = fc.record({ cluster, node });
    fc.assert(
      fc.property(place, place, fc.option(place, { nil: undefined }), fc.boolean(), (at, planned, live, running) => {
        const olds = outputs({ __at: at, __observed: { ...SHAPE, running } });
        const news = inputs({ placement: { ...planned, storages: ["fast"], why: "" }, __live: live && { ...live, vmid: 100 } });
        const before = JSON.stringify([olds, news]);
        const first = diffVm(olds, news);
        expect(diffVm(olds, news)).toEqual(first);
        expect(JSON.stringify([olds, news])).toBe(before);
        expect(first.replaces).toEqual(at.cluster === planned.cluster ? [] : ["placement"]);
        expect(first.replaces.length === 0 || first.changes).toBe(true);
      }),
    );
  });
});

describe("the diff of a disk", () => {
  const diskInputs = (changes: Inputs = {}): Inputs => ({
    size: "4GiB",
    placement: PLACEMENT,
    __pool: "prod",
    __sizeBytes: 4 * 1024 ** 3,
    ...changes,
  });
  const diskOutputs = (changes: Inputs = {}): Inputs => ({
    ...diskInputs(),
    ownerVmid: 100,
    volid: "fast:vm-100-disk-0",
    sizeBytes: 4 * 1024 ** 3,
    __at: { cluster: "a", node: "a1" },
    __generation: 1,
    ...changes,
  });
  const attached = { __attachTo: { cluster: "a", vmid: 200 } };
  const TO_A2 = { placement: { ...PLACEMENT, node: "a2" }, migration: { from: "a/a1", to: "a/a2" } };

  it.each<[string, Inputs, Inputs, typeof SAME | typeof REPLACE]>([
    ["nothing has changed", diskOutputs(), diskInputs(), SAME],
    ["it is attached as before", diskOutputs({ ...attached, slot: "scsi16" }), diskInputs(attached), SAME],
    ["its owner is on another node of the cluster", diskOutputs({ __at: { cluster: "a", node: "a2" } }), diskInputs(), SAME],
    ["it grows", diskOutputs(), diskInputs({ __sizeBytes: 5 * 1024 ** 3 }), UPDATE],
    ["it is attached", diskOutputs(), diskInputs(attached), UPDATE],
    ["it is attached elsewhere", diskOutputs(attached), diskInputs({ __attachTo: { cluster: "a", vmid: 201 } }), UPDATE],
    ["it is taken off", diskOutputs(attached), diskInputs(), UPDATE],
    ["it is to go to its VM's node", diskOutputs(attached), diskInputs({ ...attached, ...TO_A2 }), UPDATE],
    ["it has gone there", diskOutputs({ ...attached, __at: { cluster: "a", node: "a2" } }), diskInputs({ ...attached, ...TO_A2 }), SAME],
    ["its description changes", diskOutputs(), diskInputs({ description: "data" }), UPDATE],
    ["a refresh has found drift", diskOutputs({ drift: ["the owner is not fenced (template)"] }), diskInputs(), UPDATE],
    ["an interrupted move must be undone", diskOutputs(), diskInputs({ recovery: "rolled back" }), UPDATE],
    ["another cluster is planned", diskOutputs(), diskInputs({ placement: { ...PLACEMENT, cluster: "b", node: "b1" } }), REPLACE],
    ["its place is not known yet", diskOutputs(), diskInputs({ placement: UNKNOWN }), UPDATE],
  ])("when %s", (_when, olds, news, expected) => {
    expect(diffDisk(olds, news)).toEqual(expected);
  });
});
