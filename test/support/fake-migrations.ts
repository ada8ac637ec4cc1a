/** Remote migration between fake clusters, with what failures of it leave on both sides. */
import type { ApiParams, Upid } from "../../src/proxmox";
import type { CallContext } from "../../src/proxmox/errors";
import { FakeBackups } from "./fake-backups";
import { refused } from "./fake-errors";
import { type FakeGuest, type FakeVolume, isDataDrive, splitDrive, storedDrive, storedSize } from "./fake-guest";

export class FakeMigrations extends FakeBackups {
  /** Clusters whose nodes this one reaches, by `host` of the endpoint. */
  readonly peers = new Map<string, FakeMigrations>();
  /** Parameters of the last remote migration that was asked for. */
  lastMigration: ApiParams | undefined;

  protected startRemoteMigration(guest: FakeGuest, params: ApiParams, context: CallContext): Upid {
    this.lastMigration = params;
    const [, host = "", tokenOfPeer] = /^host=([^,]+),.*apitoken=(.+)$/.exec(String(params["target-endpoint"])) ?? [];
    const peer = this.peers.get(host);
    if (!peer || tokenOfPeer === undefined) throw refused(context, `500 Can't connect to ${host}:8006 (No route to host)`);
    const online = guest.power === "running";
    if (online && params.online !== 1) throw refused(context, "can't migrate running VM without --online");
    const vmid = Number(params["target-vmid"]);
    const arriving = new Map<string, FakeVolume>();
    let there: FakeGuest | undefined;
    return this.startTask(guest, "qmigrate", {
      durationMs: 10_000,
      steps: [
        {
          at: 0,
          run: () => {
            if (guest.config.lock !== undefined) throw new Error(`VM is locked (${guest.config.lock})`);
            if (peer.guests.has(vmid)) throw new Error(`400 Parameter verification failed. vmid: VM ${vmid} already exists`);
            guest.config.lock = "migrate";
            there = peer.addGuest({ vmid, node: host });
            there.config = { lock: "create" };
          },
        },
        {
          at: 0.3,
          run: () => {
            there!.config = { ...guest.config, lock: "migrate" };
            for (const [key, line] of Object.entries(guest.config)) {
              if (!isDataDrive(key, line)) continue;
              const { volume, options } = splitDrive(line);
              const from = this.volumes.get(volume)!;
              const made = peer.newVolume(String(params["target-storage"]), vmid, from.sizeBytes, []);
              arriving.set(from.volid, made);
              there!.config[key] = storedDrive(made.volid, { ...options, size: storedSize(from.sizeBytes) });
            }
          },
        },
      ],
      finish: () => {
        for (const [volid, made] of arriving) made.writes.push(...this.volumes.get(volid)!.writes);
        // One switches off and the other on in the same moment; the source keeps its lock.
        if (online) guest.power = "stopped";
        delete there!.config.lock;
        if (!online) return;
        there!.power = "running";
        peer.writeToDisks(there!);
      },
      undo: (how) => {
        if (how === "killed" || !there) return;
        delete guest.config.lock;
        for (const made of arriving.values()) peer.volumes.delete(made.volid);
        peer.guests.delete(vmid);
      },
    });
  }
}
