/** How each cluster is reached: one set of endpoints, one kind of credentials, verified TLS. */
import type { Path } from "../position";
import type { ClusterFile } from "../schema/cluster";
import type { CheckInput } from "./input";

const TOKEN_SECRET_KEYS = ["token_secret_env", "token_secret_file", "token_secret_config"];
const PASSWORD_KEYS = ["password_env", "password_file", "password_config"];
/** Refused by the schema with a message of its own, except in an entry of a CSI cloud-config. */
const LITERAL_KEYS = ["token_secret", "password"];
const CREDENTIAL_KEYS = ["token_id", "token_id_file", "username", ...TOKEN_SECRET_KEYS, ...PASSWORD_KEYS, ...LITERAL_KEYS];

export function checkConnections(input: CheckInput): void {
  const { file, findings } = input;
  const clusters = file.clusters ?? [];
  const connected = clusters.some(
    (_, index) => findings.has(["clusters", index, "connection"]) || findings.has(["clusters", index, "url"]),
  );
  for (const [index, cluster] of clusters.entries()) {
    const path = ["clusters", index];
    const has = (key: string) => findings.has([...path, key]);
    if (has("connection")) {
      for (const key of ["url", "insecure", ...CREDENTIAL_KEYS].filter(has)) {
        findings.error(
          [...path, key],
          `\`${key}\` stands beside \`connection\``,
          `Move it into \`connection\`${key === "url" ? " as `api_url`" : key === "insecure" ? " as `verify_ssl: false`" : ""}.`,
          "key",
        );
      }
      checkEndpoints(input, [...path, "connection"]);
      checkCredentials(input, [...path, "connection"]);
      checkTls(input, [...path, "connection"], cluster);
    } else if (has("url")) {
      checkCredentials(input, path);
      warnInline(input, path);
      if (cluster.insecure) warnUnverified(input, [...path, "insecure"], cluster);
    } else {
      const orphan = CREDENTIAL_KEYS.find(has);
      if (orphan)
        findings.error([...path, orphan], `\`${orphan}\` is given, but no \`url\``, "Add `url`, or write a `connection` section.", "key");
      else if (connected && cluster.status !== "lost") {
        findings.warning(path, "the cluster has no `connection`: it can be planned for, but not contacted", "Add `connection`.");
      }
    }
  }
}

/** The plugin reads files too: nothing forces anybody to keep a secret where the rest of the file is shared. */
function warnInline({ findings }: CheckInput, path: Path): void {
  for (const key of LITERAL_KEYS.filter((candidate) => findings.has([...path, candidate])))
    findings.warning(
      [...path, key],
      `\`${key}\` stands in the file itself: everyone who can read the file can use it`,
      key === "password"
        ? "Move it to `password_file` or `password_env`, and change it if the file was ever shared."
        : "Move it to `token_secret_file`, which the CSI plugin reads too, and replace the token if the file was ever shared.",
      "key",
    );
}

function checkEndpoints({ findings }: CheckInput, path: Path): void {
  const single = findings.has([...path, "api_url"]);
  const several = findings.has([...path, "api_urls"]);
  if (single && several) findings.error([...path, "api_urls"], "both `api_url` and `api_urls` are given", "Keep one of them.", "key");
  if (!single && !several) findings.error(path, "`api_url` is missing", "Add api_url: https://host:8006.", "key");
}

export function checkCredentials({ findings }: CheckInput, path: Path): void {
  const given = (keys: string[]) => keys.filter((key) => findings.has([...path, key]));
  const tokenIds = given(["token_id", "token_id_file"]);
  const tokenKeys = [...tokenIds, ...given([...TOKEN_SECRET_KEYS, "token_secret"])];
  const passwordKeys = given(["username", ...PASSWORD_KEYS, "password"]);
  if (tokenKeys.length === 0 && passwordKeys.length === 0) {
    findings.error(path, "no credentials are given", "Add `token_id` with `token_secret_env`, or `username` with `password_env`.", "key");
    return;
  }
  if (tokenKeys.length > 0 && passwordKeys.length > 0) {
    findings.error(
      [...path, passwordKeys[0]!],
      `a token (\`${tokenKeys[0]}\`) and a password login (\`${passwordKeys[0]}\`) are both given`,
      "Keep the token.",
      "key",
    );
    return;
  }
  if (tokenKeys.length > 0) {
    if (tokenIds.length === 0) findings.error(path, "`token_id` is missing", "Write user@realm!name.", "key");
    if (tokenIds.length > 1)
      findings.error([...path, "token_id_file"], "both `token_id` and `token_id_file` are given", "Keep one of them.", "key");
    checkOneSource(findings, path, TOKEN_SECRET_KEYS, "token_secret");
  } else {
    if (!findings.has([...path, "username"]))
      findings.error(path, "`username` is missing", "Write user@realm, for example root@pam.", "key");
    checkOneSource(findings, path, PASSWORD_KEYS, "password");
  }
}

function checkOneSource(findings: CheckInput["findings"], path: Path, keys: string[], literal: string): void {
  const given = [...keys, literal].filter((key) => findings.has([...path, key]));
  if (given.length > 1)
    findings.error([...path, given[1]!], `\`${given[0]}\` and \`${given[1]}\` are both given`, "Keep one of them.", "key");
  if (given.length === 0) {
    findings.error(
      path,
      `nothing says where the ${literal === "password" ? "password" : "token's secret"} is`,
      `Add ${keys.map((key) => `\`${key}\``).join(", ")}: one of them.`,
      "key",
    );
  }
}

function checkTls(input: CheckInput, path: Path, cluster: ClusterFile): void {
  if (cluster.connection?.verify_ssl !== false) return;
  if (cluster.connection.fingerprint !== undefined) {
    input.findings.warning(
      [...path, "verify_ssl"],
      "`verify_ssl: false` is ignored, because a `fingerprint` is given and is checked",
      "Remove verify_ssl.",
    );
  } else warnUnverified(input, [...path, "verify_ssl"], cluster);
}

function warnUnverified({ findings }: CheckInput, path: Path, cluster: ClusterFile): void {
  findings.warning(
    path,
    `CERTIFICATES OF CLUSTER \`${cluster.id ?? cluster.region ?? "?"}\` ARE NOT VERIFIED: whoever answers at this address receives the credentials and can do anything with the cluster`,
    "Set `fingerprint` (shown by `pvenode cert info`) or `ca_file` instead.",
  );
}
