/** Where new secrets go: to the file the federation file names, else to one of lines `VARIABLE=secret`. */
import { readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";
import type { Cluster, SecretSource } from "../../config";

/** Only the owner may read it, from the first byte on, and it is never half written. */
export async function writePrivately(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, text, { mode: 0o600, flag: "wx" });
  await rename(draft, file);
}

/** One line per name; lines of other names stay. */
export async function putLine(file: string, name: string, secret: string): Promise<void> {
  const lines = (await readIfThere(file)).split("\n").filter((line) => line !== "" && !line.startsWith(`${name}=`));
  await writePrivately(file, `${[...lines, `${name}=${secret}`].join("\n")}\n`);
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** @returns what the user still has to do with the secret, if anything */
export async function keepSecret(source: SecretSource, secret: string, secretsFile: string, baseDir: string): Promise<string | undefined> {
  switch (source.kind) {
    case "file":
      await writePrivately(path.resolve(baseDir, source.path), `${secret}\n`);
      return undefined;
    case "environment":
      await putLine(secretsFile, source.variable, secret);
      return `set ${source.variable} from ${secretsFile} wherever the federation is used`;
    case "pulumi":
      await putLine(secretsFile, source.key, secret);
      return `pass its value from ${secretsFile} to: pulumi config set --secret proxmox-federation:${source.key}`;
  }
}

/** Writes the id of the new token into the federation file, which keeps its comments and order. */
export async function writeTokenId(file: string, { id, connection }: Cluster, tokenId: string): Promise<void> {
  const credentials = connection?.credentials;
  if (credentials?.kind === "token" && credentials.tokenIdFile !== undefined) {
    await writePrivately(path.resolve(path.dirname(file), credentials.tokenIdFile), `${tokenId}\n`);
    return;
  }
  const text = await readFile(file, "utf8");
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, withTokenId(text, id, tokenId));
  await rename(draft, file);
}

/** Only the value changes: everything else of the file stays as somebody wrote it. */
function withTokenId(text: string, id: string, tokenId: string): string {
  const clusters = parseDocument(text).get("clusters");
  const entry = isSeq(clusters) ? clusters.items.find((item) => isMap(item) && (item.get("id") ?? item.get("region")) === id) : undefined;
  const scalar = isMap(entry) ? (entry.getIn(["connection", "token_id"], true) ?? entry.get("token_id", true)) : undefined;
  if (!isScalar(scalar) || !scalar.range)
    throw new Error(`the token_id of cluster ${id} is no plain value in the file any more. Set it to ${tokenId}.`);
  const [start, end] = scalar.range;
  const quoted = /^["']/.test(text.slice(start));
  return text.slice(0, start) + (quoted ? JSON.stringify(tokenId) : tokenId) + text.slice(end);
}
