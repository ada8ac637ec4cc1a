/** `federate init`: asks, looks at the clusters, writes federation.yaml. */
import { access, writeFile } from "node:fs/promises";
import { FederationConfigError, parseFederation } from "../../config";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { CliIo } from "../io";
import { counted } from "../words";
import { Questions } from "./questions";
import { type Endpoint, probe, type Survey, survey } from "./survey";
import { isTokenId, tokenVariable } from "./token";
import { type Answers, type ClusterAnswers, federationText } from "./write";

export interface InitOptions {
  /** Replace a file that exists. */
  force?: boolean;
}

export async function init(file: string, { force }: InitOptions, io: CliIo): Promise<ExitCode> {
  if (force !== true && (await exists(file)))
    throw new UsageError(`${file} exists. Move it away, name another one with -c, or pass --force.`);
  const questions = new Questions(io);
  try {
    const answers = await askAll(questions, io);
    const text = federationText(answers);
    assertValid(text, file);
    await writeFile(file, text);
    questions.say(`wrote ${file}`);
    questions.say("next: federate validate --check-connectivity");
    return EXIT.ok;
  } finally {
    questions.close();
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function askAll(questions: Questions, io: CliIo): Promise<Answers> {
  const name = await questions.ask<string>({ text: "Name of the federation", fallback: "federation", parse: identifier });
  const clusters: ClusterAnswers[] = [];
  do clusters.push(await askCluster(questions, io, clusters));
  while (await questions.confirm("Another cluster?", clusters.length < 2));
  const pool = await questions.ask<string>({
    text: "Name of the pool for VMs that may run on all of them",
    fallback: "production",
    parse: identifier,
  });
  return { name, clusters, pool };
}

async function askCluster(questions: Questions, io: CliIo, known: readonly ClusterAnswers[]): Promise<ClusterAnswers> {
  const id = await questions.ask<string>({
    text: `Cluster ${known.length + 1}: short id, for example ams`,
    parse: (answer) =>
      known.some((cluster) => cluster.id === answer) ? { problem: `there is a cluster ${answer} already` } : identifier(answer),
  });
  const { url, endpoint } = await askEndpoint(questions);
  const tokenId = await questions.ask<string>({
    text: "Token id (user@realm!name)",
    parse: (answer) =>
      isTokenId(answer) ? { value: answer } : { problem: "it looks like iac@pve!federation; docs/privileges.md says how to make one" },
  });
  const secretVariable = await questions.ask<string>({
    text: "Environment variable with the token's secret",
    fallback: tokenVariable(id),
    parse: (answer) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(answer) ? { value: answer } : { problem: "letters, digits and _" }),
  });
  const connection = { url, tokenId, secretVariable, ...(endpoint?.distrust === undefined ? {} : { fingerprint: endpoint.fingerprint }) };
  const found = await look(questions, { id, ...connection }, io.environment[secretVariable]);
  const provider = await askOptional(questions, "Provider");
  const location = await askOptional(questions, "Place, for example Amsterdam, NL");
  const tier = await questions.ask<string>({
    text: "Tier (primary, secondary, edge)",
    fallback: known.length === 0 ? "primary" : "secondary",
    parse: (answer) => (["primary", "secondary", "edge"].includes(answer) ? { value: answer } : { problem: "primary, secondary or edge" }),
  });
  const storages = found?.diskStorages.map(({ storage }) => storage) ?? [];
  const primaryStorage = await questions.ask<string>({
    text: `Storage for disks${storages.length === 0 ? "" : ` (${storages.join(", ")})`}`,
    fallback: storages[0] ?? "local-lvm",
    parse: (answer) =>
      storages.length === 0 || storages.includes(answer) ? { value: answer } : { problem: `one of ${storages.join(", ")}` },
  });
  return { id, ...connection, provider, location, tier, primaryStorage, ...(found ? { survey: found } : {}) };
}

/** A certificate that nobody vouches for is only pinned when the user has compared it: else anybody could be the cluster. */
async function askEndpoint(questions: Questions): Promise<{ url: string; endpoint?: Endpoint }> {
  const url = await questions.ask<string>({ text: "API address, for example https://pve.example.com:8006", parse: apiUrl });
  let endpoint: Endpoint;
  try {
    endpoint = await probe(url);
  } catch (error) {
    questions.say(`  ${url} does not answer: ${error instanceof Error ? error.message : String(error)}`);
    if (await questions.confirm("  Go on without looking at it?", false)) return { url };
    return askEndpoint(questions);
  }
  if (endpoint.distrust === undefined) return { url, endpoint };
  questions.say(
    `  its certificate is not signed by an authority known here (${endpoint.distrust}); its fingerprint is\n  ${endpoint.fingerprint}`,
  );
  if (await questions.confirm("  Does `pvenode cert info` on that node show the same?", false)) return { url, endpoint };
  throw new UsageError(
    `${url} shows another certificate than its node: somebody may be between. Nothing was written and no secret was sent.`,
  );
}

async function look(
  questions: Questions,
  cluster: { id: string; url: string; fingerprint?: string; tokenId: string; secretVariable: string },
  secret: string | undefined,
): Promise<Survey | undefined> {
  if (secret === undefined || secret === "") {
    questions.say(`  ${cluster.secretVariable} is not set here: nodes, storages and bridges are left out of the file`);
    return undefined;
  }
  try {
    const found = await survey({ ...cluster, secret });
    questions.say(
      `  Proxmox VE ${found.version}: ${counted(found.nodes.length, "node")}, disks on ${found.diskStorages.map(({ storage }) => storage).join(", ") || "nothing that is visible"}`,
    );
    return found;
  } catch (error) {
    questions.say(`  ${error instanceof Error ? error.message : String(error)}\n  nodes, storages and bridges are left out of the file`);
    return undefined;
  }
}

function askOptional(questions: Questions, text: string): Promise<string | undefined> {
  return questions.ask<string | undefined>({
    text: `${text} (may be empty)`,
    parse: (answer) => ({ value: answer === "" ? undefined : answer }),
  });
}

function identifier(answer: string): { value: string } | { problem: string } {
  return /^[a-z0-9][a-z0-9-]*$/.test(answer) ? { value: answer } : { problem: "small letters, digits and -" };
}

function apiUrl(answer: string): { value: string } | { problem: string } {
  const text = /^[a-z]+:\/\//i.test(answer) ? answer : `https://${answer}`;
  if (!URL.canParse(text)) return { problem: "an address like https://pve.example.com:8006" };
  const url = new URL(text);
  if (url.protocol !== "https:") return { problem: "Proxmox speaks https only" };
  return { value: `https://${url.hostname}:${url.port === "" ? (/:443$/.test(text) ? 443 : 8006) : url.port}` };
}

/** What is written must be readable: an answer that breaks the file is found here, not later. */
function assertValid(text: string, file: string): void {
  try {
    parseFederation(text, file);
  } catch (error) {
    if (error instanceof FederationConfigError) throw new UsageError(`the answers make no valid federation file: ${error.message}`);
    throw error;
  }
}
