import { describe, expect, test } from "vitest";
import {
  AuthenticationRefused,
  authenticate,
  decodePercent,
  isPassword,
  issueTicket,
  verifyTicket,
} from "../../src/simulator/authentication";
import { buildFederationState } from "../../src/simulator/layout";

const nowMs = 1_700_000_000_000;
const hourMs = 3_600_000;

function clusterState(id = "a") {
  const state = buildFederationState(
    {
      backends: [],
      clusters: [
        {
          id,
          era: "9.2",
          nodes: [{ name: "n" }],
          storages: [],
          rootPassword: "secret",
          users: [{ userid: "ann@pve", password: "pass" }],
          tokens: [{ tokenid: "ann@pve!ci", secret: "s=3" }],
        },
      ],
    },
    { nowMs, seed: 1, blockBytes: 1 },
  );
  return state.clusters[id]!;
}

const cookieOf = (ticket: string) => ({ cookie: `a=b; PVEAuthCookie=${encodeURIComponent(ticket)}; c=d` });

describe("tickets", () => {
  test("tell whose they are for two hours, five minutes of skew ahead", () => {
    const cluster = clusterState();
    const { ticket } = issueTicket(cluster, "ann@pve", nowMs);
    expect(ticket).toMatch(/^PVE:ann@pve:6553F100::\S+$/);
    expect(verifyTicket(cluster, ticket, nowMs + 2 * hourMs - 1000)).toBe("ann@pve");
    expect(verifyTicket(cluster, ticket, nowMs + 2 * hourMs)).toBeUndefined();
    expect(verifyTicket(cluster, ticket, nowMs - 300_000)).toBe("ann@pve");
    expect(verifyTicket(cluster, ticket, nowMs - 301_000)).toBeUndefined();
  });

  test("of another cluster, another user or another time are worth nothing", () => {
    const cluster = clusterState();
    const { ticket } = issueTicket(cluster, "ann@pve", nowMs);
    expect(verifyTicket(clusterState("b"), ticket, nowMs)).toBeUndefined();
    expect(verifyTicket(cluster, ticket.replace("ann@pve", "root@pam"), nowMs)).toBeUndefined();
    expect(verifyTicket(cluster, ticket.replace("6553F100", "6553F101"), nowMs)).toBeUndefined();
    expect(verifyTicket(cluster, "garbage", nowMs)).toBeUndefined();
  });

  test("are passwords of their user only", () => {
    const cluster = clusterState();
    const { ticket } = issueTicket(cluster, "ann@pve", nowMs);
    expect(isPassword(cluster, "ann@pve", ticket, nowMs)).toBe(true);
    expect(isPassword(cluster, "root@pam", ticket, nowMs)).toBe(false);
    expect(isPassword(cluster, "root@pam", "secret", nowMs)).toBe(true);
    expect(isPassword(cluster, "nobody@pve", "secret", nowMs)).toBe(false);
  });
});

describe("authenticate", () => {
  test("takes a ticket for reads, and with its CSRF token for writes", () => {
    const cluster = clusterState();
    const { ticket, csrfToken } = issueTicket(cluster, "root@pam", nowMs);
    expect(authenticate(cluster, cookieOf(ticket), true, nowMs)).toMatchObject({ userid: "root@pam", isRoot: true, isToken: false });
    expect(() => authenticate(cluster, cookieOf(ticket), false, nowMs)).toThrow(
      new AuthenticationRefused("Permission denied - invalid csrf token"),
    );
    expect(authenticate(cluster, { ...cookieOf(ticket), csrfToken }, false, nowMs)).toMatchObject({ isRoot: true });
  });

  test("takes a token whose secret may hold any character, and it is not root", () => {
    const user = authenticate(clusterState(), { authorization: "PVEAPIToken=ann@pve!ci=s=3" }, false, nowMs);
    expect(user).toEqual({ authid: "ann@pve!ci", userid: "ann@pve", isToken: true, isRoot: false });
  });

  test.each([
    ["PVEAPIToken=ann@pve!ci=wrong", "Authentication failed!"],
    ["PVEAPIToken=ann@pve!ci", "Authentication failed!"],
    ["PVEAPIToken ann@pve!ci=s=3x", "Authentication failed!"],
    ["Bearer abc", "No ticket"],
    [undefined, "No ticket"],
  ])("refuses %s: %s", (authorization, reason) => {
    expect(() => authenticate(clusterState(), { authorization }, true, nowMs)).toThrow(new AuthenticationRefused(reason));
  });

  test("refuses expired tokens and disabled users", () => {
    const cluster = clusterState();
    cluster.access.tokens["ann@pve!ci"]!.expire = nowMs / 1000;
    const headers = { authorization: "PVEAPIToken=ann@pve!ci=s=3" };
    expect(() => authenticate(cluster, headers, true, nowMs)).toThrow("Authentication failed!");
    cluster.access.tokens["ann@pve!ci"]!.expire = 0;
    cluster.access.users["ann@pve"]!.enabled = false;
    expect(() => authenticate(cluster, headers, true, nowMs)).toThrow("Authentication failed!");
  });

  test("looks at the ticket first", () => {
    const cluster = clusterState();
    const { ticket } = issueTicket(cluster, "ann@pve", nowMs);
    const both = { ...cookieOf(ticket), authorization: "PVEAPIToken=ann@pve!ci=wrong" };
    expect(authenticate(cluster, both, true, nowMs)).toMatchObject({ authid: "ann@pve" });
  });
});

test("percent signs that escape nothing stay", () => {
  expect(["a%20b", "%zz", "%C3%A4", "100%"].map(decodePercent)).toEqual(["a b", "%zz", "ä", "100%"]);
});
