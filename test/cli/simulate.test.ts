import { expect, test } from "vitest";
import { environmentOf } from "../../src/cli/simulate";
import type { CredentialSource, Federation } from "../../src/config";
import type { SimulatedCluster } from "../../src/simulator";

const simulated: SimulatedCluster = {
  id: "ams",
  era: "9.2",
  endpoints: [],
  fingerprint: "",
  rootPassword: "root-password",
  tokens: { "iac@pve!ci": "token-secret" },
  passwords: { "root@pam": "root-password" },
};

function federationWith(credentials: CredentialSource): Federation {
  return { clusters: [{ id: "ams", connection: { credentials } }] } as unknown as Federation;
}

test.each<[string, CredentialSource, Record<string, string>]>([
  ["a token's secret", { kind: "token", tokenId: "iac@pve!ci", secret: { kind: "environment", variable: "AMS" } }, { AMS: "token-secret" }],
  ["a password", { kind: "password", username: "root@pam", password: { kind: "environment", variable: "PW" } }, { PW: "root-password" }],
  ["nothing for a file", { kind: "token", tokenId: "iac@pve!ci", secret: { kind: "file", path: "secret" } }, {}],
  [
    "nothing for an account that is not there",
    { kind: "token", tokenId: "else@pve!ci", secret: { kind: "environment", variable: "AMS" } },
    {},
  ],
])("the environment holds %s", (_, credentials, environment) => {
  expect(environmentOf(federationWith(credentials), simulated)).toEqual(environment);
});
