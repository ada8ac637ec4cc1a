import { expect, test } from "vitest";
import type { Method, Route } from "../../src/simulator/kernel";
import { Router } from "../../src/simulator/router";
import { routesOf } from "../../src/simulator/routes";

const route = (method: Method, path: string): Route => ({ method, path, parameters: {}, handler: () => null });

const router = new Router([
  route("GET", "/"),
  route("GET", "/pools"),
  route("GET", "/pools/{poolid}"),
  route("GET", "/nodes/{node}/qemu/{vmid}"),
  route("GET", "/nodes/{node}/qemu/{vmid}/status/current"),
  route("DELETE", "/nodes/{node}/storage/{storage}/content/{volume}"),
  route("GET", "/nodes/{node}/storage/{storage}/content"),
  route("POST", "/access/users/{userid}/token/{tokenid}"),
]);

test.each([
  ["GET", "/", "/", {}],
  ["GET", "/pools/team", "/pools/{poolid}", { poolid: "team" }],
  ["GET", "/nodes/a/qemu/100/status/current", "/nodes/{node}/qemu/{vmid}/status/current", { node: "a", vmid: "100" }],
  [
    "DELETE",
    "/nodes/a/storage/s/content/s:100/vm-100-disk-0.raw",
    "/nodes/{node}/storage/{storage}/content/{volume}",
    { node: "a", storage: "s", volume: "s:100/vm-100-disk-0.raw" },
  ],
])("%s %s is %s", (method, path, template, variables) => {
  const match = router.find(method, path);
  expect([match?.route.path, match?.pathVariables]).toEqual([template, variables]);
});

test.each([
  ["POST", "/pools"],
  ["GET", "/pools/team/sub"],
  ["GET", "/nodes/a/qemu"],
  ["POST", "/access/users/a@pve/token/bad id"],
  ["FOO", "/"],
])("%s %s is nothing", (method, path) => {
  expect(router.find(method, path)).toBeUndefined();
});

test("two routes for one method and path are a mistake", () => {
  expect(() => new Router([route("GET", "/a"), route("GET", "/a")])).toThrow("two routes for GET /a");
});

test("the routes of both eras fit together", () => {
  for (const era of ["8.4", "9.2"] as const) expect(new Router(routesOf(era)).find("GET", "/version")?.route.path).toBe("/version");
});
