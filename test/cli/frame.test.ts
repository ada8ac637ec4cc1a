import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { cleanArguments } from "../../src/cli/arguments";
import { EXIT, worstOf } from "../../src/cli/exit-codes";
import { describeFailure, UsageError } from "../../src/cli/failure";
import { federationFile } from "../../src/cli/federation-file";
import { painterFor, printable } from "../../src/cli/io";
import { parseAmount, parseCores, parsePort } from "../../src/cli/option-values";
import { writeResult } from "../../src/cli/output";
import { PermissionError } from "../../src/proxmox";
import { federate } from "./run";

describe("arguments", () => {
  it.each<[string, string[], string[]]>([
    ["are left alone", ["status", "--format", "json"], ["status", "--format", "json"]],
    ["lose a backslash and line break of their own", ["allocate", "\\\n", "-p", "web"], ["allocate", "-p", "web"]],
    ["lose a lone backslash", ["allocate", "\\", "-p", "web"], ["allocate", "-p", "web"]],
    [
      "are split where a quoted command breaks its line",
      ["allocate \\\n  -c f.yaml \\\r\n -p web"],
      ["allocate", "-c", "f.yaml", "-p", "web"],
    ],
    ["lose a line break at their end", ["-c", "f.yaml\\\n", "--cpu", "4"], ["-c", "f.yaml", "--cpu", "4"]],
    ["lose the command's own name", ["federate", "status"], ["status"]],
    ["keep an empty text and a path with a backslash", ["--location", "", "a\\b"], ["--location", "", "a\\b"]],
  ])("%s", (_, given, cleaned) => {
    expect(cleanArguments(given)).toEqual(cleaned);
  });
});

test("the file is the option's, else the environment's, else the one here", () => {
  expect(federationFile("a.yaml", { FEDERATION_CONFIG: "b.yaml" })).toBe("a.yaml");
  expect(federationFile(undefined, { FEDERATION_CONFIG: "b.yaml" })).toBe("b.yaml");
  expect(federationFile(undefined, { FEDERATION_CONFIG: "" })).toBe("federation.yaml");
});

test("of several outcomes the one that makes the others incomplete counts", () => {
  expect(worstOf([])).toBe(EXIT.ok);
  expect(worstOf([EXIT.ok, EXIT.finding])).toBe(EXIT.finding);
  expect(worstOf([EXIT.finding, EXIT.refused, EXIT.unreachable])).toBe(EXIT.unreachable);
});

describe("a failure", () => {
  const permission = new PermissionError({
    summary: "Refused",
    context: { cluster: "a", method: "GET", path: "/x" },
    privileges: ["VM.Audit"],
    anyOf: false,
  });
  it.each<[string, unknown, number]>([
    ["of usage", new UsageError("no pool p"), EXIT.usage],
    ["of a privilege", permission, EXIT.refused],
    ["with another code of ours", Object.assign(new Error("locked"), { code: "LOCKED" }), EXIT.finding],
    ["without a code", new TypeError("x is not a function"), EXIT.internal],
    ["of Node itself", Object.assign(new TypeError("bad argument"), { code: "ERR_INVALID_ARG_TYPE" }), EXIT.internal],
    ["that is no error", "thrown text", EXIT.internal],
  ])("%s has its exit code", (_, error, code) => {
    expect(describeFailure(error).exitCode).toBe(code);
  });

  it("shows a stack only where this program is at fault", () => {
    expect(describeFailure(permission).message).not.toContain("\n    at ");
    expect(describeFailure(new TypeError("x is not a function")).message).toContain("\n    at ");
  });
});

test("colours appear only on a terminal that has them", () => {
  const write = () => undefined;
  expect(painterFor({ write })("red", "x")).toBe("x");
  expect(painterFor({ write, isTTY: true, hasColors: () => false })("red", "x")).toBe("x");
  expect(painterFor({ write, isTTY: true, hasColors: () => true })("red", "x")).toBe("\u001b[31mx\u001b[39m");
});

test("what clusters call things cannot steer the terminal", () => {
  expect(printable("\u001b[31mred\u001b[39m\n\tname\u001b[2J\u001b]0;title\u0007\r\u009b1m")).toBe(
    "\u001b[31mred\u001b[39m\n\tname?[2J?]0;title???1m",
  );
});

test("json and yaml carry the same keys", () => {
  const shared = { a: 1 };
  const data = { first: shared, second: shared, absent: undefined };
  let out = "";
  const sink = { write: (text: string) => (out += text) };
  writeResult(sink, "json", data, () => "never made");
  expect(JSON.parse(out)).toEqual({ first: { a: 1 }, second: { a: 1 } });
  out = "";
  writeResult(sink, "yaml", data, () => "never made");
  expect(out).toBe("first:\n  a: 1\nsecond:\n  a: 1\n");
  out = "";
  writeResult(sink, "text", data, () => "in words");
  expect(out).toBe("in words\n");
});

describe("option values", () => {
  it.each<[string, (text: string) => number, string, number]>([
    ["a port", parsePort, "8006", 8006],
    ["an amount", parseAmount, "0.5", 0.5],
    ["cores", parseCores, "4", 4],
  ])("%s is read", (_, parse, text, value) => {
    expect(parse(text)).toBe(value);
  });
  it.each<[string, (text: string) => number, string]>([
    ["a port below 1024", parsePort, "80"],
    ["no port", parsePort, "http"],
    ["a negative amount", parseAmount, "-1"],
    ["an empty amount", parseAmount, " "],
    ["no cores", parseCores, "0"],
    ["half a core", parseCores, "0.5"],
    ["cores in words", parseCores, "four"],
  ])("%s is refused", (_, parse, text) => {
    expect(() => parse(text)).toThrow(/a port from|a number of|a whole number of/);
  });
});

describe("the command", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "federate-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.each([[["--help"]], [["schema", "--help"]]])("shows help and the exit codes for %s", async (argv) => {
    const { code, out, err } = await federate(argv);
    expect(out).toContain("Usage: federate");
    expect(out).toContain("-c, --config <file>");
    expect(out).toContain("3  a cluster cannot be reached");
    expect({ code, err }).toEqual({ code: EXIT.ok, err: "" });
  });

  it("shows its version", async () => {
    expect(await federate(["--version"])).toEqual({ code: EXIT.ok, out: "1.2.3\n", err: "" });
  });

  it.each<[string, string[], string]>([
    ["an unknown command", ["stauts"], "unknown command 'stauts'"],
    ["an unknown option", ["schema", "--fast"], "unknown option '--fast'"],
    ["a value of another kind", ["simulate", "--port-base", "80"], "a port from 1024 to 65000"],
    ["a word too many", ["schema", "now"], "too many arguments"],
    ["no command", [], "Usage: federate"],
  ])("refuses %s", async (_, argv, message) => {
    const { code, out, err } = await federate(argv);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: EXIT.usage, out: "" });
  });

  it("takes the file before and after the subcommand", async () => {
    const missing = join(directory, "absent.yaml");
    for (const argv of [
      ["-c", missing, "simulate"],
      ["simulate", "-c", missing],
      ["simulate", `--config=${missing}`],
    ]) {
      const { code, err } = await federate(argv);
      expect(err).toContain(`${missing}:1:1: the file does not exist`);
      expect(code).toBe(EXIT.usage);
    }
  });

  it.each<[string, string | Buffer, string]>([
    ["invalid YAML", "clusters: [", "not valid YAML"],
    ["an unknown key", "clustres: []", "Did you mean `clusters`"],
    ["an empty file", "", "the file is empty"],
    ["what is no text", Buffer.from([0x63, 0xff, 0xfe]), "not UTF-8"],
  ])("has one message without a stack for %s", async (_, content, message) => {
    const file = join(directory, "bad.yaml");
    await writeFile(file, content);
    const { code, out, err } = await federate(["simulate"], { FEDERATION_CONFIG: file });
    expect(err).toContain(message);
    expect(err).not.toContain("\n    at ");
    expect({ code, out }).toEqual({ code: EXIT.usage, out: "" });
  });

  it("prints the JSON Schema", async () => {
    const { code, out, err } = await federate(["schema"]);
    const schema = JSON.parse(out);
    expect(schema.title).toBe("federation.yaml");
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(["clusters", "resource_pools", "migration_policies"]));
    expect({ code, err }).toEqual({ code: EXIT.ok, err: "" });
  });
});
