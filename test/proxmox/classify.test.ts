import { describe, expect, it } from "vitest";
import { classifyText } from "../../src/proxmox";
import { classifyResponse } from "../../src/proxmox/classify";

const guest = (id: string) => ({ code: "NOT_FOUND", what: "guest", id });
const missing = (what: string, id: string) => ({ code: "NOT_FOUND", what, id });
const root = { code: "PERMISSION", privileges: [], anyOf: false };

/** Texts as Proxmox VE 8.4 and 9.2 gave them. */
const texts: [string, unknown][] = [
  ["Configuration file 'nodes/ca-1/qemu-server/112.conf' does not exist", guest("112")],
  ["Configuration file 'nodes/ca-1/qemu-server/112.conf' does not exist\n", guest("112")],
  ["unable to find configuration file for VM 100 on node 'ca-1'", guest("100")],
  ["storage 'nosuch' does not exist", missing("storage", "nosuch")],
  ["update storage failed: storage 'nosuch' does not exist", missing("storage", "nosuch")],
  [
    "could not activate storage 'nosuch': storage 'nosuch' does not exist could not get storage information for 'nosuch': storage 'nosuch' does not exist",
    missing("storage", "nosuch"),
  ],
  [
    "volume 'd1:backup/vzdump-qemu-1-2026_01_01-00_00_00.vma.zst' does not exist",
    missing("volume", "d1:backup/vzdump-qemu-1-2026_01_01-00_00_00.vma.zst"),
  ],
  ["unable to create VM 106 - volume 'd1:9/vm-9-disk-0.qcow2' does not exist", missing("volume", "d1:9/vm-9-disk-0.qcow2")],
  ["pool 'nopool' does not exist", missing("pool", "nopool")],
  ["update pools failed: pool 'nopool' does not exist", missing("pool", "nopool")],
  ["delete pool failed: pool 'other' does not exist", missing("pool", "other")],
  ["Permission check failed (pool 'nopool' does not exist)", missing("pool", "nopool")],
  [
    "hostname lookup 'nosuchnode' failed - failed to get address info for: nosuchnode: Name or service not known",
    missing("node", "nosuchnode"),
  ],
  ["no such cluster node 'nosuchnode'", missing("node", "nosuchnode")],

  ["unable to create VM 100 - VM 100 already exists on node 'ca-1'", { code: "ALREADY_EXISTS" }],
  ["unable to restore VM 100 - VM 100 already exists on node 'ca-1'", { code: "ALREADY_EXISTS" }],
  ["unable to create VM 102: config file already exists", { code: "ALREADY_EXISTS" }],
  [
    "unable to create VM 5001 - close (rename) atomic file '/etc/pve/nodes/va-1/qemu-server/5001.conf' failed: File exists",
    { code: "ALREADY_EXISTS" },
  ],
  ["close (rename) atomic file '/etc/pve/nodes/va-1/qemu-server/5001.conf' failed: File exists", { code: "ALREADY_EXISTS" }],
  ["disk image '/srv/st1/images/140/vm-140-disk-0.raw' already exists", { code: "ALREADY_EXISTS" }],
  ["create pool failed: pool 'team' already exists", { code: "ALREADY_EXISTS" }],
  ["create storage failed: storage ID 'st1' already defined", { code: "ALREADY_EXISTS" }],
  ["update pools failed: VM 181 is already a pool member", { code: "ALREADY_EXISTS" }],

  ["VM is locked (backup)", { code: "LOCKED", lock: "backup", lockFile: false }],
  ["VM is locked (migrate)", { code: "LOCKED", lock: "migrate", lockFile: false }],
  ["unable to restore VM 100 - VM is locked (backup)", { code: "LOCKED", lock: "backup", lockFile: false }],
  ["can't lock file '/var/lock/qemu-server/lock-2003.conf' - got timeout", { code: "LOCKED", lockFile: true }],
  ["update pools failed: cfs-lock 'file-user_cfg' error: got lock request timeout", { code: "LOCKED", lockFile: true }],

  ["cluster not ready - no quorum?", { code: "NO_QUORUM" }],
  ["create user failed: cfs-lock 'file-user_cfg' error: no quorum!", { code: "NO_QUORUM" }],
  ["unable to open file '/etc/pve/nodes/ca-1/qemu-server/420.conf.tmp.26075' - Permission denied", { code: "NO_QUORUM" }],

  ["checksum mismatch (file change by other user?)", { code: "DIGEST" }],
  ["update storage failed: detected modified configuration - file changed by other user? Try again.", { code: "DIGEST" }],

  ["VM 100 not running", { code: "NOT_RUNNING" }],
  ["VM 100 is not running", { code: "NOT_RUNNING" }],
  ["VM 1700 already running", { code: "ALREADY_RUNNING" }],
  ["QEMU guest agent is not running", { code: "AGENT_UNAVAILABLE" }],
  ["No QEMU guest agent configured", { code: "AGENT_UNAVAILABLE" }],

  ["Permission check failed (/vms/100, VM.Audit)", { code: "PERMISSION", aclPath: "/vms/100", privileges: ["VM.Audit"], anyOf: false }],
  [
    "403 Permission check failed (/vms/1001, VM.Backup)",
    { code: "PERMISSION", aclPath: "/vms/1001", privileges: ["VM.Backup"], anyOf: false },
  ],
  [
    "unable to create VM 500 - 403 Permission check failed (/vms/500, VM.Config.Options)",
    { code: "PERMISSION", aclPath: "/vms/500", privileges: ["VM.Config.Options"], anyOf: false },
  ],
  [
    "Permission check failed (/storage/local, Datastore.Audit|Datastore.AllocateSpace)",
    { code: "PERMISSION", aclPath: "/storage/local", privileges: ["Datastore.Audit", "Datastore.AllocateSpace"], anyOf: true },
  ],
  ["Permission check failed (/, Sys.Modify)", { code: "PERMISSION", aclPath: "/", privileges: ["Sys.Modify"], anyOf: false }],
  ["Permission check failed", root],
  ["Permission check failed (user != root@pam)", root],
  ["only root can set 'args' config", root],
  ["only root can set 'usb0' config for real devices", root],
  ["Only root may use this option.", root],
  ["Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 610.", root],
  ["missing privileges to access local:backup/x.vma", root],

  ["ACL update failed: 400 Parameter verification failed.", { code: "PARAMETER" }],
  ["400 Parameter verification failed.\nnet0: hotplug problem - error on hot-unplugging device 'net0'", { code: "PARAMETER" }],
];

/** Near misses: something is missing or taken, but not what the classes stand for. */
const unclassified = [
  "create pool failed: parent 'nope' of pool 'nope/sub' does not exist",
  "snapshot 'nosuch' does not exist",
  "disk 'scsi1' does not exist",
  "role 'nosuch' does not exist",
  "ACL update failed: user 'nosuch@pve' does not exist",
  "VM 100 is running - destroy failed",
  "can't remove VM 100 - protection mode enabled",
  "you can't start a vm if it's a template",
  "delete pool failed: pool 'team' is not empty (contains VMs)",
  "unable to open file '/srv/x' - Permission denied",
  "unexpected status",
  "job errors",
  "interrupted by signal",
  "OK",
  "",
];

describe("meaning of Proxmox's texts", () => {
  it.each(texts)("%s", (text, expected) => {
    expect(classifyText(text)).toEqual(expected);
  });

  it.each(unclassified)("leaves alone: %s", (text) => {
    expect(classifyText(text)).toBeUndefined();
  });
});

describe("meaning of an HTTP answer", () => {
  it.each([
    [401, "No ticket", {}, { code: "AUTHENTICATION" }],
    [400, "Parameter verification failed.", { name: "bad" }, { code: "PARAMETER" }],
    [400, "Parameter verification failed.", { storage: "No such storage." }, missing("storage", "st:1")],
    [400, "Parameter verification failed.", { storage: "No such storage.", x: "y" }, { code: "PARAMETER" }],
    // The job API wraps a parameter error into a 500.
    [500, "400 Parameter verification failed.", {}, { code: "PARAMETER" }],
    [403, "some new words", {}, { code: "PERMISSION", privileges: [], anyOf: false }],
    [501, "Method 'GET /nosuch' not implemented", {}, { code: "NOT_IMPLEMENTED" }],
    [501, "for data too large", {}, { code: "PARAMETER" }],
    [500, "some new words", {}, undefined],
    [424, "node is not in a cluster, no join info available!", {}, undefined],
  ])("%i %s %j", (status, text, errors, expected) => {
    expect(classifyResponse(status, text, errors as Record<string, string>, "/nodes/n1/storage/st%3A1/status")).toEqual(expected);
  });
});
