import { expect, test } from "vitest";
import { formatUpid, parseUpid } from "../../src/proxmox";
import { classifyPbsResponse } from "../../src/proxmox/pbs/classify";

test.each([
  [401, "authentication failed - invalid API token", { code: "AUTHENTICATION" }],
  [403, "permission check failed", { code: "PERMISSION" }],
  [
    400,
    "missing permissions 'Datastore.Backup' on '/datastore/main/ns'",
    { code: "PERMISSION", aclPath: "/datastore/main/ns", privileges: ["Datastore.Backup"], anyOf: false },
  ],
  [
    400,
    "missing permissions 'Datastore.Read|Datastore.Backup' on '/datastore/main'",
    { code: "PERMISSION", privileges: ["Datastore.Read", "Datastore.Backup"], anyOf: true },
  ],
  [400, "no such datastore 'main'", { code: "NOT_FOUND", what: "datastore", id: "main" }],
  [400, "no such sync 'j1'", { code: "NOT_FOUND", what: "sync job", id: "j1" }],
  [404, "remote 'r1' does not exist.", { code: "NOT_FOUND", what: "remote", id: "r1" }],
  [400, "parameter verification errors\n\nparameter 'id': job 'j1' already exists.", { code: "ALREADY_EXISTS" }],
  [400, "parameter verification errors\n\nparameter 'ns': schema does not allow additional properties.", { code: "PARAMETER" }],
  [400, "detected modified configuration - file changed by other user? Try again.", { code: "DIGEST" }],
  [404, "Path '/api2/json/nodes/localhost/identity' not found.", { code: "NOT_IMPLEMENTED" }],
])("%i %s", (status, text, expected) => {
  expect(classifyPbsResponse(status, text)).toMatchObject(expected);
});

test.each([
  [400, "cannot remove protected snapshot"],
  [400, "file 'no such datastore' is odd"],
  [404, "something is not found"],
])("%i %s is none of them", (status, text) => {
  expect(classifyPbsResponse(status, text)).toBeUndefined();
});

test("a backup server's UPID has one number more", () => {
  const text = "UPID:pbs:000002A1:00000B2C:0000000F:65F1C0DE:syncjob:site\\x2dams\\x3amain:federation@pbs!mover:";
  const parts = parseUpid(text);
  expect(parts).toMatchObject({ node: "pbs", task: 15, type: "syncjob", user: "federation@pbs!mover" });
  expect(formatUpid(parts)).toBe(text);
});
