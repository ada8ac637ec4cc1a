/** Where new secrets go: to the file the federation file names, else to one of lines `VARIABLE=secret`. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";
import { type Cluster, replaceFile, type SecretSource } from "../../config";

/** Of files with secrets: only the owner may read them. */
const PRIVATE = { mode: 0o600 };

/** One line per name; lines of other names stay. */
async function putLine(file: string, name: string, secret: string): Promise<void> {
  const lines = (await readIfThere(file)).split("\n").filter((line) => line !== "" && !line.startsWith(`${name}=`));
  await replaceFile(file, `${[...lines, `${name}=${secret}`].join("\n")}\n`, PRIVATE);
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
export async function keepSecret(
  source: Exclude<SecretSource, { kind: "inline" }>,
  secret: string,
  secretsFile: string,
  baseDir: string,
): Promise<string | undefined> {
  switch (source.kind) {
    case "file":
      await replaceFile(path.resolve(baseDir, source.path), `${secret}\n`, PRIVATE);
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
    await replaceFile(path.resolve(path.dirname(file), credentials.tokenIdFile), `${tokenId}\n`, PRIVATE);
    return;
  }
  await replaceFile(file, withTokenId(await readFile(file, "utf8"), id, tokenId));
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
