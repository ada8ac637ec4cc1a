import { Agent, fetch } from "undici";
import { afterEach, expect, test } from "vitest";
import { type Simulator, smallLayout, startSimulator } from "../../src/simulator";

let simulator: Simulator | undefined;
const agent = new Agent({ connect: { rejectUnauthorized: false } });

afterEach(async () => {
  await simulator?.stop();
  simulator = undefined;
});

test("smoke", async () => {
  simulator = await startSimulator({ layout: smallLayout(), timeScale: 1000 });
  const ams = simulator.clusters[0]!;
  const call = async (method: string, path: string, body?: string) => {
    const reply = await fetch(`${ams.endpoints[0]!.url}/api2/json${path}`, {
      method,
      body,
      headers: {
        Authorization: `PVEAPIToken=${ams.token!.id}=${ams.token!.secret}`,
        ...(body === undefined ? {} : { "Content-Type": "application/x-www-form-urlencoded" }),
      },
      dispatcher: agent,
    });
    return { status: reply.status, reason: reply.statusText, body: await reply.text() };
  };
  for (const path of [
    "/version",
    "/cluster/resources",
    "/nodes",
    "/nodes/ams-2/status",
    "/access/permissions",
    "/pools",
    "/nodes/ams-1/network",
    "/nosuch",
    "/cluster/nextid",
    "/cluster/status",
  ])
    console.log(path, JSON.stringify(await call("GET", path)).slice(0, 700));
  console.log(await call("POST", "/pools", "poolid=x"));
  console.log(simulator.adminUrl, await (await fetch(`${simulator.adminUrl}/requests`)).text());
  expect(ams.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});
