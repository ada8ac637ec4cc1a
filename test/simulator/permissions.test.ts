import { describe, expect, test } from "vitest";
import { ApiError } from "../../src/simulator/kernel";
import { buildFederationState, type LayoutAcl } from "../../src/simulator/layout";
import { Authorization, effectivePermissions, isAclPath, normalizeAclPath, privilegesOn } from "../../src/simulator/permissions";
import { allPrivileges } from "../../src/simulator/privileges";

const nowMs = 1_700_000_000_000;

function clusterWith(acl: LayoutAcl[]) {
  const state = buildFederationState(
    {
      backends: [{ id: "disk", kind: "directory" }],
      clusters: [
        {
          id: "c",
          era: "9.2",
          nodes: [{ name: "n" }],
          storages: [{ storage: "local", type: "dir", backend: "disk" }],
          pools: ["team"],
          users: [{ userid: "ann@pve" }],
          tokens: [
            { tokenid: "ann@pve!full", privsep: false },
            { tokenid: "ann@pve!own", privsep: true },
            { tokenid: "root@pam!all", privsep: false },
          ],
          roles: { Look: ["VM.Audit"], Run: ["VM.Audit", "VM.PowerMgmt"] },
          acl,
        },
      ],
    },
    { nowMs, seed: 1, blockBytes: 2 ** 20 },
  );
  return state.clusters.c!;
}

const held = (cluster: ReturnType<typeof clusterWith>, authid: string, path: string) =>
  Object.keys(privilegesOn(cluster, authid, path, nowMs)).sort();

describe("privileges", () => {
  test("reach below a path when they propagate, else only the path itself", () => {
    const cluster = clusterWith([
      { path: "/vms", role: "Run", subject: "ann@pve" },
      { path: "/storage", role: "PVEDatastoreUser", subject: "ann@pve", propagate: false },
    ]);
    expect(held(cluster, "ann@pve", "/vms/100")).toEqual(["VM.Audit", "VM.PowerMgmt"]);
    expect(held(cluster, "ann@pve", "/storage")).toEqual(["Datastore.AllocateSpace", "Datastore.Audit"]);
    expect(held(cluster, "ann@pve", "/storage/local")).toEqual([]);
  });

  test("of a deeper path replace those from above, NoAccess takes all", () => {
    const cluster = clusterWith([
      { path: "/vms", role: "Run", subject: "ann@pve" },
      { path: "/vms/100", role: "Look", subject: "ann@pve" },
      { path: "/vms/101", role: "NoAccess", subject: "ann@pve" },
    ]);
    expect(held(cluster, "ann@pve", "/vms/100")).toEqual(["VM.Audit"]);
    expect(held(cluster, "ann@pve", "/vms/101")).toEqual([]);
  });

  test("of a user count before those of its groups", () => {
    const cluster = clusterWith([
      { path: "/vms", role: "Run", subject: "@crew" },
      { path: "/storage", role: "PVEDatastoreUser", subject: "@crew" },
      { path: "/storage", role: "NoAccess", subject: "ann@pve" },
    ]);
    cluster.access.groups.crew = { comment: "", users: ["ann@pve"] };
    expect(held(cluster, "ann@pve", "/vms/5")).toEqual(["VM.Audit", "VM.PowerMgmt"]);
    expect(held(cluster, "ann@pve", "/storage/local")).toEqual([]);
  });

  test("on a pool count on its guests and storages, but do not propagate from there", () => {
    const cluster = clusterWith([{ path: "/pool/team", role: "PVEAdmin", subject: "ann@pve" }]);
    cluster.pools.team!.vms.push(100);
    cluster.pools.team!.storages.push("local");
    expect(privilegesOn(cluster, "ann@pve", "/vms/100", nowMs)["VM.Allocate"]).toBe(false);
    expect(held(cluster, "ann@pve", "/storage/local")).toContain("Datastore.AllocateSpace");
    expect(held(cluster, "ann@pve", "/vms/101")).toEqual([]);
  });

  test("of a separated token are those that it and its user have", () => {
    const cluster = clusterWith([
      { path: "/vms", role: "Run", subject: "ann@pve" },
      { path: "/vms/100", role: "PVEVMAdmin", subject: "ann@pve!own" },
    ]);
    expect(held(cluster, "ann@pve!full", "/vms/100")).toEqual(["VM.Audit", "VM.PowerMgmt"]);
    expect(held(cluster, "ann@pve!own", "/vms/100")).toEqual(["VM.Audit", "VM.PowerMgmt"]);
    expect(held(cluster, "ann@pve!own", "/vms/101")).toEqual([]);
  });

  test("are none for a disabled or expired user and its tokens", () => {
    const cluster = clusterWith([{ path: "/", role: "Administrator", subject: "ann@pve" }]);
    cluster.access.users["ann@pve"]!.expire = nowMs / 1000 - 1;
    expect(held(cluster, "ann@pve!full", "/")).toEqual([]);
    cluster.access.users["ann@pve"]!.expire = 0;
    expect(held(cluster, "ann@pve!full", "/").length).toBe(allPrivileges("9.2").length);
    cluster.access.users["ann@pve"]!.enabled = false;
    expect(held(cluster, "ann@pve", "/")).toEqual([]);
  });

  test("of a token of root are all, though it is not root", () => {
    expect(held(clusterWith([]), "root@pam!all", "/vms/1").length).toBe(allPrivileges("9.2").length);
  });
});

test("effective permissions list the paths where something is granted", () => {
  const cluster = clusterWith([{ path: "/vms/100", role: "Look", subject: "ann@pve" }]);
  expect(effectivePermissions(cluster, "ann@pve", nowMs)).toEqual({ "/vms/100": { "VM.Audit": true } });
});

test("a missing privilege is named with its path", () => {
  const cluster = clusterWith([{ path: "/vms", role: "Look", subject: "ann@pve" }]);
  const user = { authid: "ann@pve", userid: "ann@pve", isToken: false, isRoot: false };
  const authorization = new Authorization(cluster, user, () => nowMs);
  authorization.require("/vms/1", ["VM.Audit", "VM.Allocate"], "any");
  expect(() => authorization.require("/vms/1", ["VM.Audit", "VM.Allocate"])).toThrow(
    new ApiError(403, "Permission check failed (/vms/1, VM.Audit|VM.Allocate)"),
  );
});

test.each([
  ["/vms/100", true],
  ["/vms/99", false],
  ["/pool/a/b/c", true],
  ["/pool/a/b/c/d", false],
  ["/sdn/zones/localnetwork/vmbr0", true],
  ["/bogus", false],
  ["/", true],
])("an ACL on %s: %s", (path, good) => {
  expect(isAclPath(path)).toBe(good);
});

test("ACL paths are stored with one leading slash and none at the end", () => {
  expect(["vms/100/", "//vms", "/a b", ""].map(normalizeAclPath)).toEqual(["/vms/100", "/vms", undefined, undefined]);
});

test("the eras differ in the privileges for the guest agent", () => {
  expect(allPrivileges("8.4")).toContain("VM.Monitor");
  expect(allPrivileges("9.2")).not.toContain("VM.Monitor");
  expect(allPrivileges("9.2")).toContain("VM.GuestAgent.Audit");
});
