/** Every command against what goes wrong most: one clear message, no stack trace, the documented exit code, an end. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { EXIT, type ExitCode } from "../../src/cli/exit-codes";
import { pointAtSimulator } from "../../src/cli/simulated-config";
import { parseFederation } from "../../src/config";
import { layoutFromFederation, type Simulator, startSimulator } from "../../src/simulator";
import { type CliResult, federate } from "./run";

const FEDERATION = `
name: acme
clusters:
${["bad", "good"]
  .map(
    (id) => `
  - id: ${id}
    tier: primary
    connection:
      api_url: https://${id}.example:8006
      token_id: iac@pve!federation
      token_secret_env: ${id.toUpperCase()}_TOKEN
      connection_timeout: 1s
      request_timeout: 1s
    network: { bridges: [vmbr0] }
    storage: { primary_storage: local }
    nodes: [{ name: ${id}-1, cores: 8, memory: 32GiB }]`,
  )
  .join("")}
resource_pools:
  - { name: web, clusters: [bad, good] }
federation: { default_pool: web }
backup_stores:
  - name: share
    type: nfs
    storages: { bad: share, good: share }
migration_policies:
  default_method: backup-restore
`;

type Trouble = "hangs" | "html" | "wrong token" | "no rights";

interface Case {
  /** How it is called so that it asks the clusters, if it can. */
  argv: string[];
  /** Ends with the error of a federation file that cannot be used. */
  readsFile: boolean;
  /** Exit codes with one cluster in trouble; absent: it asks no cluster. */
  trouble?: Record<Trouble, ExitCode>;
  environment?: Record<string, string>;
}

const UNREACHABLE_OR_REFUSED: Case["trouble"] = {
  hangs: EXIT.unreachable,
  html: EXIT.unreachable,
  "wrong token": EXIT.refused,
  "no rights": EXIT.refused,
};
/** For whom a cluster in trouble is a finding among others. */
const always = (code: ExitCode): Case["trouble"] => ({ hangs: code, html: code, "wrong token": code, "no rights": code });

/** A command that is not here fails the first test. */
const CASES: Record<string, Case> = {
  validate: {
    argv: ["validate", "--check-connectivity"],
    readsFile: true,
    // Missing privileges are findings about a cluster that answers.
    trouble: { ...UNREACHABLE_OR_REFUSED, "no rights": EXIT.finding },
  },
  schema: { argv: ["schema"], readsFile: false },
  selftest: { argv: ["selftest", "--pool", "selftest"], readsFile: true, trouble: always(EXIT.finding) },
  migrate: { argv: ["migrate", "vm-100", "--from", "bad", "--to", "good"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  status: { argv: ["status"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  // A scrape tells of clusters in trouble by its metrics; failing would hide the others.
  metrics: { argv: ["metrics"], readsFile: true, trouble: always(EXIT.ok) },
  report: { argv: ["report"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  audit: { argv: ["audit"], readsFile: true },
  // Decides among the clusters that answer, and a note names the others.
  allocate: { argv: ["allocate", "-p", "web"], readsFile: true, trouble: always(EXIT.ok) },
  plan: { argv: ["plan"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  whatif: { argv: ["whatif", "--lose", "good"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  forecast: { argv: ["forecast"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  drill: { argv: ["drill", "--vm", "web-1", "--bridge", "vmbr9"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  rebalance: { argv: ["rebalance"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  // Would run until it is interrupted: only what keeps it from starting is looked at.
  simulate: { argv: ["simulate"], readsFile: true },
  // Makes the file, and asks on a terminal: its own test has clusters in trouble.
  init: { argv: ["init"], readsFile: false },
  import: { argv: ["import"], readsFile: true, trouble: UNREACHABLE_OR_REFUSED },
  // A password that no cluster takes: what answers, refuses, and nothing is changed.
  rotate: {
    argv: ["rotate"],
    readsFile: true,
    trouble: UNREACHABLE_OR_REFUSED,
    environment: { FEDERATE_ADMIN_PASSWORD: "not the one" },
  },
  completion: { argv: ["completion", "bash"], readsFile: false },
  // These need a Kubernetes cluster before they ask a Proxmox one.
  "volumes list": { argv: ["volumes", "list"], readsFile: false },
  "volumes where": { argv: ["volumes", "where", "data"], readsFile: true },
  "volumes used-by": { argv: ["volumes", "used-by", "data"], readsFile: true },
  "volumes move": { argv: ["volumes", "move", "data", "--to", "a/a1"], readsFile: true },
  "volumes orphans": { argv: ["volumes", "orphans"], readsFile: true },
};

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "bad-input-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Those without commands of their own, as `volumes list`. */
async function commandNames(above: string[] = []): Promise<string[]> {
  const { out } = await federate([...above, "--help"]);
  const start = out.indexOf("\nCommands:\n");
  if (start === -1) return [above.join(" ")];
  const list = out.slice(start).split("\n").slice(2);
  const names = list.flatMap((line) => /^ {2}([a-z-]+)/.exec(line)?.[1] ?? []).filter((name) => name !== "help");
  return (await Promise.all(names.map((name) => commandNames([...above, name])))).flat();
}

/** No stack, no internal fault, and something that names the trouble. */
function expectClear({ code, out, err }: CliResult, expected: ExitCode, about: RegExp): void {
  const said = out + err;
  expect(said).toMatch(about);
  expect(said).not.toMatch(/\n {4}at /);
  expect(said).not.toContain("[object Object]");
  expect({ code, said: code === expected ? "" : said }).toEqual({ code: expected, said: "" });
}

it("knows every command of the program", async () => {
  expect(Object.keys(CASES).sort()).toEqual((await commandNames()).sort());
});

describe.each(Object.entries(CASES).filter(([, { readsFile }]) => readsFile))("%s", (name, { argv }) => {
  const code = name === "validate" ? EXIT.finding : EXIT.usage;

  it("says that the file is missing", async () => {
    const missing = join(directory, "absent.yaml");
    expectClear(await federate([...argv, "-c", missing]), code, /absent\.yaml:1:1: .*the file does not exist/);
  });

  it.each([
    ["invalid YAML", "clusters: [", /not valid YAML/],
    ["a file that is no federation", "clusters: 5\n", /clusters/],
    ["a directory", undefined, /directory|EISDIR/],
  ])("says what is wrong with %s", async (_, text, about) => {
    const file = text === undefined ? directory : join(directory, "bad.yaml");
    if (text !== undefined) await writeFile(file, text);
    expectClear(await federate([...argv, "-c", file]), code, about);
  });
});

describe("with a cluster in trouble,", () => {
  let simulator: Simulator;
  let withoutRights: Simulator;
  let file: string;
  let environment: Record<string, string>;
  let blindEnvironment: Record<string, string>;

  async function serve(layout: ReturnType<typeof layoutFromFederation>, name: string) {
    // A refused token is answered after three seconds, as by Proxmox.
    const started = await startSimulator({ layout, timeScale: 20 });
    const path = join(directory, name);
    const text = pointAtSimulator(FEDERATION, started.clusters);
    await writeFile(path, text);
    // Who answers slowly on a busy machine does not hang.
    await writeFile(patient(path), text.replace(/timeout: 1s/g, "timeout: 20s"));
    const secrets = started.clusters.map(({ id, tokens }) => [`${id.toUpperCase()}_TOKEN`, Object.values(tokens)[0]!]);
    return { started, path, secrets: Object.fromEntries(secrets) as Record<string, string> };
  }

  beforeAll(async () => {
    const { federation } = await parseFederation(FEDERATION, "federation.yaml");
    const layout = layoutFromFederation(federation);
    const whole = await serve(layout, "federation.yaml");
    [simulator, file, environment] = [whole.started, whole.path, whole.secrets];
    const clusters = layout.clusters.map((cluster) => (cluster.id === "bad" ? { ...cluster, acl: [] } : cluster));
    const blind = await serve({ ...layout, clusters }, "blind.yaml");
    [withoutRights, blindEnvironment] = [blind.started, blind.secrets];
  });
  afterAll(async () => {
    await simulator.stop();
    await withoutRights.stop();
  });
  afterEach(async () => {
    await fetch(`${simulator.adminUrl}/faults`, { method: "DELETE" });
  });

  const patient = (path: string) => path.replace(/\.yaml$/, "-patient.yaml");

  async function order(action: Record<string, unknown>): Promise<void> {
    const body = JSON.stringify({ cluster: "bad", times: 0, action });
    const reply = await fetch(`${simulator.adminUrl}/faults`, { method: "POST", body });
    if (!reply.ok) throw new Error(await reply.text());
  }

  const TROUBLES: [Trouble, () => Promise<void>, RegExp][] = [
    ["hangs", () => order({ kind: "delay", ms: 3_600_000 }), /did not answer within 2 s|no connection|cluster_up\{cluster="bad"[^}]*\} 0/],
    ["html", () => order({ kind: "html" }), /bad/],
    ["wrong token", async () => undefined, /bad/],
    ["no rights", async () => undefined, /bad/],
  ];

  describe.each(Object.entries(CASES).flatMap(([name, given]) => (given.trouble ? [{ name, ...given, trouble: given.trouble }] : [])))(
    "$name",
    ({ argv, trouble, environment: own }) => {
      it.each(TROUBLES)("ends with one message when one %s", { timeout: 90_000 }, async (kind, prepare, about) => {
        await prepare();
        const isBlind = kind === "no rights";
        const secrets = isBlind ? blindEnvironment : environment;
        const variables = kind === "wrong token" ? { ...secrets, BAD_TOKEN: "00000000-0000-0000-0000-000000000000" } : secrets;
        const path = isBlind ? join(directory, "blind.yaml") : file;
        const result = await federate([...argv, "-c", kind === "hangs" ? path : patient(path)], { ...variables, ...own });
        expectClear(result, trouble[kind], about);
        expect(result.out + result.err).not.toContain(Object.values(environment)[0]);
      });
    },
  );
});
