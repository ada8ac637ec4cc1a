import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { formatIssue, parseFederation, resolveCredentials, safeParseFederation } from "../../src/config";
import { complete, errors, findings, warnings } from "./sound-file";

const FINGERPRINT = Array(32).fill("ab").join(":");

describe("connections", () => {
  const withKeys = (keys: string): string => complete({ connection: `{ ${keys} }` });
  const TOKEN = "token_id: u@pve!ta, token_secret_env: A";
  test.each<[name: string, keys: string, expected: string]>([
    [
      "http",
      `api_url: 'http://a:8006', ${TOKEN}`,
      "4 ': clusters[0].connection.api_url: the URL begins with http://, but Proxmox is reached over https only. Write https://host:8006.",
    ],
    [
      "a path",
      `api_url: 'https://a:8006/pve', ${TOKEN}`,
      "4 ': clusters[0].connection.api_url: the URL has a path. Write https://host:8006. The API path is added by itself.",
    ],
    ["no URL", `api_url: a, ${TOKEN}`, "4 a: clusters[0].connection.api_url: is not a URL. Write https://host:8006."],
    ["no endpoint", TOKEN, "4 connection: clusters[0].connection: `api_url` is missing. Add api_url: https://host:8006."],
    [
      "two kinds of endpoint",
      `api_url: 'https://a', api_urls: ['https://a'], ${TOKEN}`,
      "4 api_urls: clusters[0].connection.api_urls: both `api_url` and `api_urls` are given. Keep one of them.",
    ],
    [
      "no credentials",
      "api_url: 'https://a'",
      "4 connection: clusters[0].connection: no credentials are given. Add `token_id` with `token_secret_env`, or `username` with `password_env`.",
    ],
    [
      "no secret",
      "api_url: 'https://a', token_id: u@pve!ta",
      "4 connection: clusters[0].connection: nothing says where the token's secret is. Add `token_secret_env`, `token_secret_file`, `token_secret_config`: one of them.",
    ],
    [
      "no user",
      "api_url: 'https://a', password_env: A",
      "4 connection: clusters[0].connection: `username` is missing. Write user@realm, for example root@pam.",
    ],
    [
      "two secrets",
      `api_url: 'https://a', ${TOKEN}, token_secret_file: x`,
      "4 token_secret_file: clusters[0].connection.token_secret_file: `token_secret_env` and `token_secret_file` are both given. Keep one of them.",
    ],
    [
      "token and password",
      `api_url: 'https://a', ${TOKEN}, username: root@pam`,
      "4 username: clusters[0].connection.username: a token (`token_id`) and a password login (`username`) are both given. Keep the token.",
    ],
    [
      "user without realm",
      "api_url: 'https://a', username: root, password_env: A",
      "4 root: clusters[0].connection.username: is not a user name with realm. Write user@realm, for example root@pam.",
    ],
    [
      "short fingerprint",
      `api_url: 'https://a', ${TOKEN}, fingerprint: 'ab:cd'`,
      "4 ': clusters[0].connection.fingerprint: is not a SHA-256 fingerprint. Write its 32 hexadecimal pairs joined by colons, as `pvenode cert info` shows them; several, one per node, with commas between them.",
    ],
    ["no time", `api_url: 'https://a', ${TOKEN}, request_timeout: 0`, "4 0: clusters[0].connection.request_timeout: must be longer than 0"],
  ])("%s", (_name, keys, expected) => {
    expect(errors(withKeys(keys))).toEqual([expected]);
  });

  const SECRET = "11111111-2222-3333-4444-555555555555";
  test.each<[name: string, keys: string, expected: RegExp]>([
    [
      "a literal token secret",
      `api_url: 'https://a', token_id: u@pve!ta, token_secret: ${SECRET}`,
      /^f\.yaml:4:\d+: clusters\[0\]\.connection\.token_secret: a secret must not stand in this file\. Use `token_secret_env` \(environment variable\), `token_secret_file`/,
    ],
    [
      "a literal password",
      `api_url: 'https://a', username: root@pam, password: ${SECRET}`,
      /connection\.password: a secret must not stand in this file\. Use `password_env`/,
    ],
    ["a numeric password", "api_url: 'https://a', username: root@pam, password: 11111111", /connection\.password: a secret must not stand/],
    [
      "the secret as a variable's name",
      `api_url: 'https://a', token_id: u@pve!ta, token_secret_env: ${SECRET}`,
      /token_secret_env: is not the name of an environment variable/,
    ],
    [
      "the secret as a file's name",
      `api_url: 'https://a', token_id: u@pve!ta, token_secret_file: ${SECRET}`,
      /token_secret_file: looks like a token secret itself\. .*Revoke the token/,
    ],
    [
      "the secret behind the token id",
      `api_url: 'https://a', token_id: u@pve!ta=${SECRET}, token_secret_env: A`,
      /token_id: holds more than the token id/,
    ],
    [
      "a password in the URL",
      `api_url: 'https://root:${SECRET}@a:8006', token_id: u@pve!ta, token_secret_env: A`,
      /api_url: a URL must not hold a user name or password/,
    ],
  ])("%s is refused and not repeated", (_name, keys, expected) => {
    const found = safeParseFederation(withKeys(keys), "f.yaml").issues.map(formatIssue);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
    expect(found[0]).not.toContain("1111");
  });

  test.each([
    [
      "token",
      `token_id: u@pve!ta\n    token_secret: ${SECRET}`,
      { kind: "token", tokenId: "u@pve!ta", secret: SECRET },
      /token_secret_file/,
    ],
    ["password", `username: u@pve\n    password: ${SECRET}`, { kind: "password", username: "u@pve", password: SECRET }, /password_file/],
  ])("a %s that stands in a CSI cloud-config itself works, is warned about, and shows nowhere", async (_kind, keys, expected, advice) => {
    const text = `name: f\nclusters:\n  - url: https://a:8006/api2/json\n    ${keys}\n    region: a\n`;
    const { federation, warnings: told } = parseFederation(text, "f.yaml");
    expect(told.map(formatIssue)).toEqual([expect.stringMatching(advice)]);
    expect(told[0]!.message).toMatch(/stands in the file itself: everyone who can read the file can use it/);
    const shown = [JSON.stringify(federation), inspect(federation, { depth: 9 }), JSON.stringify(told)].join("\n");
    expect(shown).not.toContain(SECRET);
    const env = { environment: {}, readFile: () => Promise.reject(new Error("no file")), baseDir: "/" };
    expect(await resolveCredentials(federation.clusters[0]!, env)).toEqual(expected);
  });

  test("a secret in a CSI cloud-config and beside it is one too many, and not repeated", () => {
    const found = errors(
      `clusters:\n  - url: https://a:8006\n    token_id: u@pve!ta\n    token_secret: ${SECRET}\n    token_secret_file: t\n    region: a\n`,
    );
    expect(found).toEqual([expect.stringMatching(/`token_secret_file` and `token_secret` are both given/)]);
    expect(found.join()).not.toContain(SECRET);
    expect(errors("clusters:\n  - url: https://a:8006\n    token_id: u@pve!ta\n    token_secret: 12\n    region: a\n")).toEqual([
      expect.stringMatching(/token_secret: must be a text, not a number\. Put it in quotes/),
    ]);
  });

  test.each<[name: string, keys: string, expected: string[]]>([
    [
      "unverified TLS",
      `api_url: 'https://a', ${TOKEN}, verify_ssl: false`,
      [
        "4 false: clusters[0].connection.verify_ssl: CERTIFICATES OF CLUSTER `a` ARE NOT VERIFIED: whoever answers at this address receives the credentials and can do anything with the cluster. Set `fingerprint` (shown by `pvenode cert info`) or `ca_file` instead.",
      ],
    ],
    [
      "unverified TLS with a pin",
      `api_url: 'https://a', ${TOKEN}, fingerprint: '${FINGERPRINT}', verify_ssl: false`,
      [
        "4 false: clusters[0].connection.verify_ssl: `verify_ssl: false` is ignored, because a `fingerprint` is given and is checked. Remove verify_ssl.",
      ],
    ],
    [
      "one variable for two clusters",
      "api_url: 'https://a', token_id: u@pve!ta, token_secret_env: B",
      [
        "6 B: clusters[1].connection.token_secret_env: environment variable B is also used by cluster `a`. Give each cluster credentials of its own.",
      ],
    ],
    [
      "one token at one host for two clusters",
      "api_url: 'https://b', token_id: u@pve!tb, token_secret_env: A",
      [
        "6 u: clusters[1].connection.token_id: token_id u@pve!tb at https://b:8006 is also used by cluster `a`. Give each cluster credentials of its own.",
      ],
    ],
    [
      "one endpoint for two clusters",
      "api_url: 'https://b:8006/', token_id: u@pve!ta, token_secret_env: A",
      [
        "6 ': clusters[1].connection.api_url: endpoint https://b:8006 is also used by cluster `a`. Declare each cluster once: what is declared twice is counted twice.",
      ],
    ],
  ])("%s is a warning", (_name, keys, expected) => {
    const text = withKeys(keys);
    expect(errors(text)).toEqual([]);
    expect(warnings(text)).toEqual(expected);
  });

  test("a pin wins over verify_ssl: false", () => {
    const { federation } = safeParseFederation(
      withKeys(`api_url: 'https://a', ${TOKEN}, fingerprint: '${FINGERPRINT}', verify_ssl: false`),
      "f.yaml",
    );
    expect(federation?.clusters[0]?.connection?.tls).toEqual({ fingerprint: FINGERPRINT.toUpperCase(), verify: true });
  });

  test("keys of a CSI entry beside a connection are refused", () => {
    expect(errors(complete({ cluster: "url: https://a:8006" }))).toEqual([
      "5 url: clusters[0].url: `url` stands beside `connection`. Move it into `connection` as `api_url`.",
    ]);
  });

  test("a cluster without connection among connected ones is a warning, unless it is lost", () => {
    const text = (status: string) => `${complete({})}  - { id: c, status: ${status} }\n`;
    expect(findings(text("active"))).toEqual([
      "warning 8 {: clusters[2]: the cluster has no `connection`: it can be planned for, but not contacted. Add `connection`.",
    ]);
    expect(findings(text("lost"))).toEqual([]);
  });
});
