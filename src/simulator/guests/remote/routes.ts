/** `POST …/remote_migrate` and `POST …/mtunnel`: a guest goes to another cluster. */

import { storageFormat } from "../../formats";
import type { Call, Route } from "../../kernel";
import { jobsOf } from "../../replication/jobs";
import { callLimitBytesPerSecond } from "../../volumes/bandwidth-limit";
import {
  errorMessage,
  fail,
  failParameter,
  flagParameter,
  integerParameter,
  listParameter,
  type Place,
  placeOf,
  textParameter,
} from "../../volumes/calls";
import { bandwidthRule, nodeRule, optional, optionalFlag, vmidRule } from "../../volumes/rules";
import { getUsableStorage } from "../../volumes/storages";
import { bridgePairFormat, storagePairFormat } from "../formats";
import { type IdMap, parseIdMap } from "../id-map";
import { getGuest, isHaConfigured, requireUnlocked } from "../lookup";
import { endpointFormat, parseEndpoint } from "./endpoint";
import { migrateToPeer } from "./migration";
import { MigrationTunnel } from "./tunnel";

export function remoteRoutes(): Route[] {
  const atGuest = { node: nodeRule, vmid: vmidRule };
  return [
    {
      method: "POST",
      path: "/nodes/{node}/qemu/{vmid}/remote_migrate",
      parameters: {
        ...atGuest,
        "target-vmid": optional(vmidRule),
        "target-endpoint": { type: "string", format: endpointFormat },
        "target-storage": { type: "list", format: storagePairFormat },
        "target-bridge": { type: "list", format: bridgePairFormat },
        online: optionalFlag,
        delete: optionalFlag,
        bwlimit: bandwidthRule,
      },
      permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Migrate"]),
      handler: migrateRemotely,
    },
    {
      method: "POST",
      path: "/nodes/{node}/qemu/{vmid}/mtunnel",
      onNode: false,
      parameters: {
        ...atGuest,
        storages: { type: "list", optional: true, format: storageFormat },
        bridges: { type: "list", optional: true },
      },
      permission: (call) => {
        call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Allocate"]);
        call.requirePrivilege("/", ["Sys.Incoming"]);
      },
      handler: openTunnel,
    },
  ];
}

async function migrateRemotely(call: Call): Promise<string> {
  const place = placeOf(call);
  const vmid = integerParameter(call, "vmid")!;
  const guest = getGuest(place, vmid);
  requireUnlocked(guest);
  if (isHaConfigured(place, vmid)) failParameter({ vmid: "cannot remote-migrate VM that is configured for HA" });
  const address = parseEndpoint(textParameter(call, "target-endpoint")!);
  const { peers } = call.world;
  // Without a fingerprint the certificate is asked for first, over a connection that needs to be trusted already.
  if (address.fingerprint === undefined) await peers.request(place, address, { method: "GET", path: "/nodes/localhost/certificates/info" });
  if (jobsOf(call.cluster, vmid).length > 0) fail("cannot remote-migrate replicated VM");
  if (guest.running && !flagParameter(call, "online")) fail("can't migrate running VM without --online");
  const storages = mapParameter(call, "target-storage", "storage");
  const bridges = mapParameter(call, "target-bridge", "bridge");
  if (storages.identity) fail("remote migration requires explicit storage mapping!");
  const targetNode = await findTargetNode(() => peers.request(place, address, { method: "GET", path: "/cluster/status" }));
  const migration = {
    vmid,
    targetVmid: integerParameter(call, "target-vmid") ?? vmid,
    address,
    targetNode,
    online: guest.running,
    deleteSource: flagParameter(call, "delete"),
    storages,
    bridges,
    limitKibibytes: integerParameter(call, "bwlimit"),
    limitFor: (storage?: string) => callLimitBytesPerSecond(call, "migration", storage === undefined ? [] : [storage]),
  };
  return call.startTask({ type: "qmigrate", id: String(vmid) }, (task) => migrateToPeer(place, migration, task));
}

function mapParameter(call: Call, key: string, kind: string): IdMap {
  try {
    return parseIdMap(listParameter(call, key));
  } catch (error) {
    return failParameter({ [key]: `failed to parse ${kind} map: ${errorMessage(error)}` });
  }
}

/** The node that answers is the one the guest goes to. */
async function findTargetNode(readStatus: () => Promise<unknown>): Promise<string> {
  const rows = (await readStatus()) as { type: string; name: string; local?: number }[];
  return rows.find((row) => row.type === "node" && row.local === 1)?.name ?? fail("couldn't determine endpoint's node name");
}

/** Claims the number and waits for the source's worker. */
async function openTunnel(call: Call): Promise<unknown> {
  const place = placeOf(call);
  const { world, cluster, node } = place;
  const named = textParameter(call, "node")!;
  if (named !== "localhost" && named !== node) failParameter({ node: `node needs to be 'localhost' or local hostname '${node}'` });
  for (const id of listParameter(call, "storages")) {
    const storage = getUsableStorage(place, id);
    call.requirePrivilege(`/storage/${id}`, ["Datastore.AllocateSpace"]);
    if (!storage.content.includes("images")) fail(`storage '${id}' does not support vm images`);
  }
  const present = cluster.nodes[node]?.bridges ?? [];
  for (const bridge of listParameter(call, "bridges")) if (!present.includes(bridge)) fail(`bridge '${bridge}' does not exist`);
  const vmid = integerParameter(call, "vmid")!;
  await claim(place, vmid);
  const tunnel = new MigrationTunnel(call);
  const upid = call.startTask({ type: "qmtunnel", id: String(vmid) }, (task) => tunnel.serve(task));
  const ticket = `PVETUNNEL:${world.randomHex(8).toUpperCase()}::${world.randomHex(32)}`;
  world.peers.offerTunnel(ticket, tunnel);
  return { ticket, upid, socket: `/run/qemu-server/${vmid}.mtunnel` };
}

async function claim({ world, cluster, node }: Place, vmid: number): Promise<void> {
  await world.withGuestLock(cluster, vmid, () => {
    const existing = cluster.guests[vmid];
    if (existing) failParameter({ vmid: `unable to create empty VM config - VM ${vmid} already exists on node '${existing.node}'\n` });
    cluster.guests[vmid] = { vmid, node, config: { lock: "create" }, pending: {}, snapshots: {}, running: false, qmpStatus: "stopped" };
    world.touch();
  });
}
