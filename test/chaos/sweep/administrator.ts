/** What people with root on the nodes do, through the simulator's own calls: no token, no HTTP, no call of the sweep. */
import type { SimulatorWorld } from "../../../src/simulator";

type Parameters = Record<string, unknown>;

export class Administrator {
  constructor(private readonly world: SimulatorWorld) {}

  /** Carries a call out and waits for the task it starts. */
  async call(cluster: string, node: string, method: "POST" | "PUT" | "DELETE", path: string, params: Parameters = {}): Promise<void> {
    const state = this.world.state.clusters[cluster];
    if (!state) throw new Error(`There is no cluster ${cluster}.`);
    const { data } = await this.world.internalCalls.perform({ cluster: state, node, method, path, params });
    if (typeof data !== "string" || !data.startsWith("UPID:")) return;
    while (this.world.tasks.isRunning(data))
      if (!(await this.world.clock.advanceToNextTimer())) throw new Error(`${data} on ${cluster} never ends.`);
    const { exitStatus } = state.tasks[data]!;
    if (exitStatus !== "OK") throw new Error(`${data} on ${cluster}: ${exitStatus}`);
  }

  /**
   * A guest that runs on each cluster, its backup on the store, and a pool of their own: all of it must be found untouched.
   * The vmid is the first one, so that whatever counts up from there meets it.
   */
  async addBystanders(): Promise<void> {
    for (const [id, cluster] of Object.entries(this.world.state.clusters)) {
      const [node = ""] = Object.keys(cluster.nodes);
      const storages = Object.values(cluster.storages);
      const disks = storages.find(({ type }) => type === "zfspool" || type === "lvm");
      const store = storages.find(({ type }) => type === "pbs" || type === "nfs");
      if (!disks || !store) throw new Error(`${id} has no storage for a bystander.`);
      const config = `/nodes/${node}/qemu/100`;
      await this.call(id, node, "POST", "/pools", { poolid: "theirs" });
      await this.call(id, node, "POST", `/nodes/${node}/qemu`, {
        vmid: "100",
        name: "bystander",
        memory: "512",
        onboot: "1",
        pool: "theirs",
        description: "somebody else's",
        scsi0: `${disks.storage}:1`,
        net0: "virtio,bridge=vmbr0",
      });
      const [, volume] = Object.entries(this.world.state.backends[disks.backends[node]!]!.volumes)[0]!;
      volume.blocks = { 0: "0123456789abcdef" };
      await this.call(id, node, "POST", `${config}/status/start`);
      await this.call(id, node, "POST", `/nodes/${node}/vzdump`, { vmid: "100", storage: store.storage, mode: "snapshot" });
    }
  }

  /** The commands a message asks for, as far as they name a guest that is locked. @returns what was done */
  obey(message: string): string[] {
    const done: string[] = [];
    for (const [, vmid] of message.matchAll(/\bqm unlock (\d+)\b/g)) {
      for (const [id, { guests }] of Object.entries(this.world.state.clusters)) {
        const guest = guests[vmid!];
        if (guest?.config.lock === undefined || !message.includes(id)) continue;
        delete guest.config.lock;
        done.push(`qm unlock ${vmid} on ${id}`);
      }
    }
    return done;
  }

  /** Removes what a run has named as left by a killed worker, with the commands it gave. @returns what was done */
  async removeWrecks(messages: readonly string[]): Promise<string[]> {
    const done: string[] = [];
    for (const message of messages) {
      const [, volid, home, at] = /volume (\S+) on ([^/\s]+)\/(\S+) is what a killed .*"pvesm free \1" on node/s.exec(message) ?? [];
      if (volid !== undefined) {
        await this.call(home!, at!, "DELETE", `/nodes/${at}/storage/${volid.split(":")[0]}/content/${volid}`);
        done.push(`pvesm free ${volid} on ${home}`);
      }
      const [, vmid, cluster, node, freed = ""] =
        /vm (\d+) on ([^/\s]+)\/(\S+) is what a killed .*"qm unlock \1 && qm destroy \1((?: && pvesm free [^\s"]+)*)"/s.exec(message) ?? [];
      const guest = cluster === undefined ? undefined : this.world.state.clusters[cluster]?.guests[vmid!];
      if (guest?.config.lock !== "create") continue;
      delete guest.config.lock;
      await this.call(cluster!, node!, "DELETE", `/nodes/${node}/qemu/${vmid}`);
      for (const [, left] of freed.matchAll(/pvesm free (\S+)/g))
        await this.call(cluster!, node!, "DELETE", `/nodes/${node}/storage/${left!.split(":")[0]}/content/${left}`);
      done.push(`qm unlock ${vmid} && qm destroy ${vmid}${freed} on ${cluster}`);
    }
    return done;
  }

  /** The machine loses its power: guests and workers are gone at once, locks in config files stay. */
  powerOff(cluster: string, node: string): void {
    const state = this.world.state.clusters[cluster]!;
    state.nodes[node]!.status = "offline";
    for (const upid of this.world.tasks.listRunning(cluster)) if (state.tasks[upid]?.node === node) this.world.tasks.kill(upid);
    for (const guest of Object.values(state.guests)) {
      if (guest.node !== node || !guest.running) continue;
      guest.running = false;
      guest.qmpStatus = "stopped";
      for (const key of ["startedAtMs", "runningConfig", "agentReadyAtMs", "backupMemory"] as const) delete guest[key];
    }
  }

  /** It comes back, and starts what is to start with it. */
  async powerOn(cluster: string, node: string): Promise<void> {
    const state = this.world.state.clusters[cluster]!;
    state.nodes[node]!.status = "online";
    for (const guest of Object.values(state.guests)) {
      const { onboot, template, lock } = guest.config;
      if (guest.node !== node || guest.running || onboot !== "1" || template === "1" || lock !== undefined) continue;
      await this.call(cluster, node, "POST", `/nodes/${node}/qemu/${guest.vmid}/status/start`);
    }
  }
}
