/** Resource pools: all calls, in both spellings (`?poolid=` and the older `/pools/{poolid}`). */
import { listOf, textOf } from "../answers";
import { guestRow, storageRow } from "../cluster/resource-rows";
import { comment, flag, listOf as listRule, optional, poolid, storage, vmid } from "../fields";
import { ApiError, type Call, type ParameterRule, type Route } from "../kernel";

const memberVmids: ParameterRule = listRule(vmid);
const memberStorages: ParameterRule = listRule(storage);
const memberType = optional({ type: "string", enum: ["qemu", "lxc", "storage"] });

function find(call: Call, name: string) {
  return call.cluster.pools[name];
}

function listPools(call: Call): unknown {
  const wanted = textOf(call, "poolid");
  // Asked for by name it is shown to everybody; only the older path asks for Pool.Audit.
  if (wanted !== undefined) return [{ ...readPool(call, wanted), poolid: wanted }];
  return Object.entries(call.cluster.pools)
    .filter(([name]) => call.hasPrivilege(`/pool/${name}`, "Pool.Audit"))
    .map(([name, pool]) => ({ poolid: name, ...(pool.comment ? { comment: pool.comment } : {}) }))
    .sort((a, b) => (a.poolid < b.poolid ? -1 : 1));
}

function readPool(call: Call, name: string): Record<string, unknown> {
  const pool = find(call, name);
  if (!pool) throw new ApiError(500, `pool '${name}' does not exist`);
  const type = textOf(call, "type");
  const guests = pool.vms
    .map((id) => call.cluster.guests[id])
    .filter((guest) => guest !== undefined)
    // A pool's member list is the old kind of row: membership goes without saying, tags and lock are left out.
    .map((guest) => withoutKeys(guestRow(call, guest), ["pool", "tags", "lock", "hastate"]));
  // A storage shows as the answering node sees it, once.
  const storages = pool.storages
    .flatMap((id) => call.cluster.storages[id] ?? [])
    .map((storage) => storageRow(call, storage, call.localNode));
  const members = [...(type === "storage" ? [] : guests), ...(type === undefined || type === "storage" ? storages : [])];
  return { members: type === "lxc" ? [] : members, ...(pool.comment ? { comment: pool.comment } : {}) };
}

function withoutKeys(row: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key)));
}

function createPool(call: Call): null {
  const name = String(call.params.poolid);
  if (find(call, name)) throw new ApiError(500, `create pool failed: pool '${name}' already exists`);
  if (call.cluster.era === "9.2" && !/^[A-Za-z]/.test(name))
    throw new ApiError(500, "create pool failed: pool name must start with a letter");
  const parent = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : undefined;
  if (parent !== undefined && !find(call, parent)) {
    throw new ApiError(500, `create pool failed: parent '${parent}' of pool '${name}' does not exist`);
  }
  call.cluster.pools[name] = { comment: textOf(call, "comment") ?? "", vms: [], storages: [] };
  call.world.touch();
  return null;
}

function updatePool(call: Call): null {
  const name = String(call.params.poolid);
  const pool = find(call, name);
  if (!pool) throw new ApiError(500, `update pools failed: pool '${name}' does not exist`);
  const remove = call.params.delete === true;
  for (const id of listOf(call, "vms").map(Number)) {
    if (remove) pool.vms = without(pool.vms, id, `update pools failed: VM ${id} is not a pool member`);
    else addGuest(call, name, id);
  }
  for (const id of listOf(call, "storage")) {
    if (remove) pool.storages = without(pool.storages, id, `update pools failed: Storage '${id}' is not a pool member`);
    else if (pool.storages.includes(id)) throw new ApiError(500, `update pools failed: Storage '${id}' is already a pool member`);
    else pool.storages.push(id);
  }
  if (call.params.comment !== undefined) pool.comment = textOf(call, "comment") ?? "";
  call.world.touch();
  return null;
}

function addGuest(call: Call, name: string, id: number): void {
  const { pools } = call.cluster;
  // Rights on the guest itself, and on the pool it would leave.
  call.requirePrivilege(`/vms/${id}`, ["VM.Allocate"]);
  const present = Object.keys(pools).find((other) => pools[other]?.vms.includes(id));
  if (present === name) throw new ApiError(500, `update pools failed: VM ${id} is already a pool member`);
  if (present !== undefined) {
    if (call.params["allow-move"] !== true) {
      throw new ApiError(500, `update pools failed: VM ${id} belongs already to pool '${present}' and 'allow-move' is not set`);
    }
    call.requirePrivilege(`/pool/${present}`, ["Pool.Allocate"]);
    const old = pools[present];
    if (old) old.vms = old.vms.filter((member) => member !== id);
  }
  pools[name]?.vms.push(id);
}

function without<T>(members: readonly T[], member: T, failure: string): T[] {
  if (!members.includes(member)) throw new ApiError(500, failure);
  return members.filter((other) => other !== member);
}

function deletePool(call: Call): null {
  const name = String(call.params.poolid);
  const pool = find(call, name);
  if (!pool) throw new ApiError(500, `delete pool failed: pool '${name}' does not exist`);
  const { pools, guests, storages } = call.cluster;
  const child = Object.keys(pools).find((other) => other.startsWith(`${name}/`));
  // Members that never existed do not count.
  const guest = pool.vms.find((id) => guests[id]);
  const storageId = pool.storages.find((id) => storages[id]);
  const content =
    child !== undefined
      ? `pool '${child}'`
      : guest !== undefined
        ? `VM ${guest}`
        : storageId !== undefined
          ? `storage '${storageId}'`
          : undefined;
  if (content !== undefined) throw new ApiError(500, `delete pool failed: pool '${name}' is not empty (contains ${content})`);
  delete call.cluster.pools[name];
  call.cluster.access.acl = call.cluster.access.acl.filter((entry) => entry.path !== `/pool/${name}`);
  call.world.touch();
  return null;
}

const manage = (call: Call) => call.requirePrivilege(`/pool/${call.params.poolid ?? ""}`, ["Pool.Allocate"]);
const changes = { poolid, comment, vms: memberVmids, storage: memberStorages, delete: flag, "allow-move": flag };

export const poolRoutes: Route[] = [
  {
    method: "GET",
    path: "/pools",
    parameters: { poolid: optional(poolid), type: { ...memberType, requires: "poolid" } },
    handler: listPools,
  },
  { method: "POST", path: "/pools", permission: manage, parameters: { poolid, comment }, handler: createPool },
  { method: "PUT", path: "/pools", permission: manage, parameters: changes, handler: updatePool },
  { method: "DELETE", path: "/pools", permission: manage, parameters: { poolid }, handler: deletePool },
  {
    method: "GET",
    path: "/pools/{poolid}",
    permission: (call) => call.requirePrivilege(`/pool/${call.params.poolid}`, ["Pool.Audit"]),
    parameters: { poolid, type: memberType },
    handler: (call) => ({ ...readPool(call, String(call.params.poolid)), poolid: String(call.params.poolid) }),
  },
  { method: "PUT", path: "/pools/{poolid}", permission: manage, parameters: changes, handler: updatePool },
  { method: "DELETE", path: "/pools/{poolid}", permission: manage, parameters: { poolid }, handler: deletePool },
];
