/** How a Terraform VM is recognized: by a tag of its own kind, so that nothing takes it for a VM with our mark. */
import { createHash } from "node:crypto";

export function vmKey(stack: string, name: string): string {
  return `${stack}/${name}`;
}

/** `fedtf-` and 16 hex digits of federation, stack and name. */
export function terraformTag(federation: string, key: string): string {
  return `fedtf-${createHash("sha256").update(`${federation}\n${key}`).digest("hex").slice(0, 16)}`;
}

export function isTerraformTag(tag: string): boolean {
  return /^fedtf-[0-9a-f]{16}$/.test(tag);
}
