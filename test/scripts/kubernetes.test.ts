import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findKubernetes, wantedKubernetesVersion } from "../../scripts/setup/kubernetes.mjs";

const roles = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "kubernetes-set-up-")));
  mkdirSync(join(folder, "tools/kubernetes"), { recursive: true });
  writeFileSync(join(folder, "tools/kubernetes/go.mod"), "module x\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v1.2.3\n");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What a build leaves in the cache. */
function install(stamp: string): void {
  const target = join(folder, "cache", `kubernetes-1.2.3-${process.platform}-${process.arch}`);
  mkdirSync(join(target, "bin"), { recursive: true });
  for (const role of roles) {
    writeFileSync(join(target, "bin", role), "#!/bin/sh\n");
    chmodSync(join(target, "bin", role), 0o755);
  }
  writeFileSync(join(target, "sources.sha256"), stamp);
}

test("the version is the one the Go module pins", () => {
  expect(wantedKubernetesVersion(folder)).toBe("1.2.3");
});

test("a build of other sources, or of none, is not used", () => {
  expect(findKubernetes(folder, join(folder, "cache"))).toBeUndefined();
  install("of other sources");
  expect(findKubernetes(folder, join(folder, "cache"))).toBeUndefined();
});

test("a version that is no release is refused by the file's name", () => {
  writeFileSync(join(folder, "tools/kubernetes/go.mod"), "module x\n");
  expect(() => wantedKubernetesVersion(folder)).toThrow(/go\.mod does not require k8s\.io\/kubernetes/);
});
