/** Recorded vectors of the real code against the kernel: formats, rights, parameters and whole calls. */
import { describe, expect, test } from "vitest";
import { Authorization, isAclPath, normalizeAclPath, privilegesOn, rolesOn } from "../../../src/simulator/permissions";
import { builtInRoles } from "../../../src/simulator/privileges";
import { formatUpid, parseUpid } from "../../../src/simulator/upid";
import { bandwidthLimit, type LimitedOperation } from "../../../src/simulator/volumes/bandwidth-limit";
import { normalizeBody, normalizeText } from "./normalize";
import { referenceMissing } from "./transcripts";
import { buildWorld, callVector, loadVectors, type Vector, verifyVector } from "./vector-world";

/** Recorded answers that rest on something the set-up cannot have, and why. */
const known: [RegExp, string][] = [
  [/ GET \/cluster\/resources /, "shows recorded statistics (rrd) of made-up numbers"],
  [/ GET \/pools .*"poolid":"pa"/, "shows recorded statistics (rrd) of made-up numbers"],
  [/ GET \/cluster\/status /, "n1 has a subscription there"],
  [/ GET \/cluster\/nextid /, "there are containers; the simulator has none"],
  [/ GET \/cluster\/ha\/status\/current /, "an HA manager was at work whose daemons' own files are missing"],
  [/ as \w+@pve POST \/access\/ticket /, "recorded as an already authenticated caller"],
];

/** Parameters judged otherwise, and why. */
const knownParameters: [RegExp, string][] = [
  [/^POST \/cluster\/replication .*"schedule":"x{100}/, "any schedule passed in the recording; here its form is judged before its length"],
  [
    /^POST \/cluster\/ha\/rules \{("resources":"vm:106",)?"rule":"r1"(,"type":"bogus")?\}/,
    "without a known type a rule's properties are not known",
  ],
];

/** Methods of the kernel; guests and storages have their own tests. */
const ownPaths =
  /^\/(access|cluster\/(nextid|resources|status|options|tasks|ha|replication|backup|backup-info|jobs)|pools|nodes$|nodes\/[^/]+\/(tasks|status|version|network|replication|time|rrddata|vzdump\/defaults)|version)/;

describe.skipIf(referenceMissing)("recorded vectors", () => {
  test("built-in roles have the recorded privileges", () => {
    const recorded = vectorsOf("roles").filter((vector) => String(vector.args?.[0]) in builtInRoles["9.2"]);
    expect(recorded.length).toBeGreaterThan(10);
    for (const vector of recorded)
      expect([vector.args?.[0], builtInRoles["9.2"][String(vector.args?.[0])]]).toEqual([vector.args?.[0], vector.result]);
  });

  test("privileges and roles on a path are the recorded ones", () => {
    const world = buildWorld("std");
    const cluster = world.state.clusters.vectors!;
    for (const vector of vectorsOf("perms")) {
      const [authid, path] = vector.args as [string, string];
      const name = `${authid} on ${path}`;
      if (vector.fn === "permissions") {
        expect([name, Object.keys(privilegesOn(cluster, authid, path, world.clock.nowMs())).sort()]).toEqual([name, vector.result ?? []]);
      } else {
        const roles = vector.result === "Administrator" ? { Administrator: 1 } : vector.result;
        const got = Object.fromEntries(
          Object.entries(rolesOn(cluster, authid, path)).map(([role, propagate]) => [role, propagate ? 1 : 0]),
        );
        expect([name, got]).toEqual([name, roles]);
      }
    }
  });

  test("bandwidth limits are the recorded ones", () => {
    const world = buildWorld("std");
    const cluster = world.state.clusters.vectors!;
    for (const vector of vectorsOf("bwlimit")) {
      const [operation, storages, override, { as }] = vector.args as [LimitedOperation, string[], number | null, { as: string }];
      const user = { authid: as, userid: as.split("!")[0]!, isToken: as.includes("!"), isRoot: as === "root@pam" };
      const rights = new Authorization(cluster, user, () => world.clock.nowMs());
      const limit = bandwidthLimit(cluster, {
        operation,
        storages,
        ...(override === null ? {} : { override }),
        hasPrivilege: (path, privilege) => rights.has(path, privilege),
      });
      expect([vector.args, limit ?? null]).toEqual([vector.args, vector.result === null ? null : Number(vector.result)]);
    }
  });

  test("ACL paths are known and normalized as recorded", () => {
    for (const vector of vectorsOf("acl-path")) {
      const path = String(vector.args?.[0]);
      if (vector.fn === "check_path") expect([path, isAclPath(path)]).toEqual([path, vector.result === 1]);
      else expect([path, normalizeAclPath(path)]).toEqual([path, vector.result ?? undefined]);
    }
  });

  test("UPIDs are read and written as recorded", () => {
    for (const vector of vectorsOf("upid").filter((candidate) => candidate.fn === "decode")) {
      const upid = parseUpid(String(vector.args?.[0]));
      const { startSeconds, ...rest } = upid ?? { startSeconds: undefined };
      expect([vector.args, upid && { ...rest, starttime: startSeconds }]).toEqual([vector.args, vector.result]);
      if (upid) expect(formatUpid(upid).toUpperCase()).toBe(String(vector.args?.[0]).toUpperCase());
    }
  });

  test("parameters are verified with the recorded texts", () => {
    const differing = vectorsOf("validate")
      .filter((vector) => ownPaths.test(vector.path))
      .filter(
        ({ method, path, params }) => !knownParameters.some(([pattern]) => pattern.test(`${method} ${path} ${JSON.stringify(params)}`)),
      )
      .map((vector) => ({ vector, got: verifyVector(vector) }))
      .filter(({ vector, got }) => JSON.stringify(sorted(got?.errors)) !== JSON.stringify(sorted(vector.errors)))
      .map(
        ({ vector, got }) =>
          `${vector.method} ${vector.path} ${JSON.stringify(vector.params).slice(0, 120)}: ${JSON.stringify(got?.errors)} recorded ${JSON.stringify(vector.errors)}`,
      );
    expect(differing).toEqual([]);
  });

  test("whole calls are answered as recorded", async () => {
    const differing: string[] = [];
    const candidates = [...vectorsOf("handler"), ...vectorsOf("acl")].filter((vector) => ownPaths.test(vector.path) && !vector.proxied);
    for (const vector of candidates) {
      const got = await callVector(vector);
      const left = comparable({
        status: vector.status ?? 200,
        reason: vector.reason,
        errors: vector.errors,
        result: vector.result,
        total: vector.total,
      });
      const right = comparable(got);
      if (JSON.stringify(left) !== JSON.stringify(right)) {
        const what = `as ${vector.as ?? "root@pam"} ${vector.method} ${vector.path} ${JSON.stringify(vector.params)}`;
        if (known.some(([pattern]) => pattern.test(` ${what} `))) continue;
        differing.push(
          `${vector.id} as ${vector.as} ${vector.method} ${vector.path} ${JSON.stringify(vector.params)}\n   got ${JSON.stringify(right)}\n   rec ${JSON.stringify(left)}`.slice(
            0,
            1500,
          ),
        );
      }
    }
    expect(differing).toEqual([]);
  }, 60_000);
});

function vectorsOf(kind: string): Vector[] {
  return loadVectors().vectors.filter((vector) => vector.kind === kind);
}

function comparable(outcome: { status: number; reason?: string; errors?: Record<string, string>; result?: unknown; total?: number }) {
  if (outcome.status !== 200)
    return { status: outcome.status, reason: normalizeText(outcome.reason ?? ""), errors: sorted(outcome.errors) };
  return { status: 200, result: normalizeBody(outcome.result ?? null), total: outcome.total };
}

function sorted(errors: Record<string, string> | undefined): [string, string][] | undefined {
  return errors && Object.entries(errors).sort(([a], [b]) => (a < b ? -1 : 1));
}
