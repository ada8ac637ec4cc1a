import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeNeed, hasPrivilege, missingPrivileges, sourceNeeds, targetNeeds } from "../../src/migration/permissions";
import type { Permissions } from "../../src/proxmox";

/** `true` = counts below too, `false` = on that path only. */
const grant = (...privileges: string[]): Record<string, boolean> => Object.fromEntries(privileges.map((privilege) => [privilege, true]));
const here = (...privileges: string[]): Record<string, boolean> => Object.fromEntries(privileges.map((privilege) => [privilege, false]));

describe("a privilege", () => {
  it.each<[string, Permissions, string, boolean]>([
    ["on the path itself", { "/vms/100": grant("VM.Audit") }, "/vms/100", true],
    ["on the path itself, not for what is below", { "/vms/100": here("VM.Audit") }, "/vms/100", true],
    ["from the parent that passes it on", { "/vms": grant("VM.Audit") }, "/vms/100", true],
    ["from a parent that keeps it to itself", { "/vms": here("VM.Audit") }, "/vms/100", false],
    ["from the root", { "/": grant("VM.Audit") }, "/vms/100", true],
    ["from a root that keeps it to itself", { "/": here("VM.Audit") }, "/vms/100", false],
    ["on the root itself", { "/": here("VM.Audit") }, "/", true],
    ["from the grandparent", { "/sdn": grant("VM.Audit") }, "/sdn/zones/localnetwork", true],
    // Proxmox lists effective privileges: what a listed path lacks was taken away from it.
    ["from the root, taken away on the parent", { "/": grant("VM.Audit"), "/vms": {} }, "/vms/100", false],
    ["from the root, taken away on the path", { "/": grant("VM.Audit"), "/vms/100": grant("VM.Backup") }, "/vms/100", false],
    ["of a neighbour", { "/vms/10": grant("VM.Audit") }, "/vms/100", false],
    ["of a longer path", { "/vms/1000": grant("VM.Audit") }, "/vms/100", false],
    ["of a child", { "/vms/100": grant("VM.Audit") }, "/vms", false],
    ["when nothing is granted", {}, "/vms/100", false],
    ["when nothing is granted on the root", {}, "/", false],
    ["when another one is granted", { "/vms": grant("VM.Backup") }, "/vms/100", false],
  ])("%s", (_how, permissions, path, expected) => {
    expect(hasPrivilege(permissions, path, "VM.Audit")).toBe(expected);
  });

  it("passed on from the root counts everywhere, on any path that nothing else is listed for", () => {
    const segment = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 5 }), (segments) => {
        expect(hasPrivilege({ "/": grant("VM.Audit") }, `/${segments.join("/")}`, "VM.Audit")).toBe(true);
      }),
    );
  });
});

const SOURCE = ["VM.Audit", "VM.Backup", "VM.PowerMgmt", "VM.Config.Options", "VM.Allocate"];
const TARGET = ["VM.Allocate", "VM.Audit", "VM.Backup", "VM.Config.Options", "VM.Config.Memory", "VM.PowerMgmt"];

describe("what a move needs", () => {
  const source = sourceNeeds({ vmid: 100, pool: "prod", storage: "bk" });
  const target = targetNeeds({ vmid: 100, pool: "prod", readStorage: "bk", storages: ["fast", "slow", "fast"], bridges: ["vmbr0"] });

  it.each<[string, Permissions]>([
    ["/vms", { "/vms": grant(...SOURCE), "/storage/bk": grant("Datastore.AllocateSpace") }],
    ["the pool", { "/pool/prod": grant(...SOURCE), "/storage": grant("Datastore.AllocateSpace") }],
    ["the guest", { "/vms/100": here(...SOURCE), "/storage/bk": here("Datastore.AllocateSpace") }],
    ["the root", { "/": grant(...SOURCE, "Datastore.AllocateSpace") }],
    ["several of them", { "/vms/100": grant("VM.Audit"), "/pool/prod": grant(...SOURCE), "/storage/bk": grant("Datastore.AllocateSpace") }],
  ])("at the source is enough on %s", (_where, permissions) => {
    expect(missingPrivileges(permissions, source)).toEqual([]);
  });

  it.each(SOURCE)("at the source is missed one by one: %s", (privilege) => {
    const permissions = { "/vms": grant(...SOURCE.filter((other) => other !== privilege)), "/storage": grant("Datastore.AllocateSpace") };
    expect(missingPrivileges(permissions, source).map((need) => need.privilege)).toEqual([privilege]);
  });

  const enough: Permissions = {
    "/pool/prod": grant(...TARGET),
    "/storage/bk": grant("Datastore.AllocateSpace"),
    "/storage/fast": grant("Datastore.AllocateSpace"),
    "/storage/slow": grant("Datastore.AllocateSpace"),
    "/sdn/zones/localnetwork": grant("SDN.Use"),
  };

  it("at the target is the documented role", () => {
    expect(missingPrivileges(enough, target)).toEqual([]);
  });

  it.each([
    ...TARGET.map((privilege) => ["/pool/prod", privilege]),
    ["/storage/bk", "Datastore.AllocateSpace"],
    ["/storage/fast", "Datastore.AllocateSpace"],
    ["/storage/slow", "Datastore.AllocateSpace"],
    ["/sdn/zones/localnetwork", "SDN.Use"],
  ])("at the target is missed one by one: %s %s", (path, privilege) => {
    const left = Object.fromEntries(Object.entries(enough[path!]!).filter(([name]) => name !== privilege));
    expect(missingPrivileges({ ...enough, [path!]: left }, target).map((need) => need.privilege)).toEqual([privilege]);
  });

  it("of a guest in no pool is looked for on the guest alone", () => {
    const needs = sourceNeeds({ vmid: 100, storage: "bk" });
    expect(missingPrivileges({ "/pool/prod": grant(...SOURCE), "/storage": grant("Datastore.AllocateSpace") }, needs)).toHaveLength(
      SOURCE.length,
    );
  });

  it("asks once for a storage that holds disks and archive", () => {
    const needs = targetNeeds({ vmid: 1, readStorage: "bk", storages: ["bk"], bridges: [] });
    expect(needs.filter((need) => need.privilege === "Datastore.AllocateSpace")).toHaveLength(1);
  });

  it("is said with path and purpose", () => {
    expect(describeNeed(source[0]!)).toBe("VM.Audit on /vms/100 or /pool/prod (read the guest)");
  });
});
