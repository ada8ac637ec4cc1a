/** A Pulumi program for VMs that exist. Pure. */
import type { VmArguments } from "./arguments";

export interface ImportedVm {
  /** Of the resource, unique. */
  name: string;
  args: VmArguments;
}

export interface LeftOut {
  what: string;
  reason: string;
}

export function programText(vms: readonly ImportedVm[], leftOut: readonly LeftOut[]): string {
  const lines = [
    "/**",
    " * VMs that existed before this program. `pulumi preview` shows that each is taken over, and what would be changed about it:",
    " * correct the arguments until that is nothing you do not want. Afterwards `adopt` has done its work and may go.",
    " */",
    'import { FederatedVM } from "proxmox-federation";',
  ];
  const taken = new Set<string>();
  for (const { name, args } of vms)
    lines.push("", `export const ${identifier(name, taken)} = new FederatedVM(${JSON.stringify(name)}, ${literal(args, 0)});`);
  if (leftOut.length > 0) lines.push("", "// Left out:", ...leftOut.map(({ what, reason }) => `// ${oneLine(what)}: ${oneLine(reason)}`));
  return `${lines.join("\n")}\n`;
}

/** Names come from clusters: a line break in one would end the comment. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, " ");
}

function identifier(name: string, taken: Set<string>): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const camel = words
    .map((word, index) => (index === 0 ? word.charAt(0).toLowerCase() : word.charAt(0).toUpperCase()) + word.slice(1))
    .join("");
  // A reserved word, such as a VM called "new", is none with this in front either.
  const base = /^[a-z]/.test(camel) ? `vm${camel.charAt(0).toUpperCase()}${camel.slice(1)}` : `vm${camel}`;
  let unique = base;
  for (let number = 2; taken.has(unique); number++) unique = `${base}${number}`;
  taken.add(unique);
  return unique;
}

/** As a formatter would have it: short values on one line. */
function literal(value: unknown, depth: number): string {
  const short = compact(value);
  if (depth > 0 && short.length <= 100) return short;
  const pad = "  ".repeat(depth + 1);
  const close = "  ".repeat(depth);
  if (Array.isArray(value)) return `[\n${value.map((item) => `${pad}${literal(item, depth + 1)},\n`).join("")}${close}]`;
  if (typeof value === "object" && value !== null)
    return `{\n${Object.entries(value)
      .map(([key, item]) => `${pad}${key}: ${literal(item, depth + 1)},\n`)
      .join("")}${close}}`;
  return short;
}

function compact(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(compact).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([key, item]) => `${key}: ${compact(item)}`)
    .join(", ")} }`;
}
