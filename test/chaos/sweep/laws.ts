/** Laws that no moment may break, looked at after every event of the simulator. */
import type { Simulator, SimulatorWorld } from "../../../src/simulator";
import type { GuestState } from "../../../src/simulator/state";

/** Fills `violations` as the world goes on. Looked at after every answered call too: a disk that is plugged in makes no event. */
export function watchLaws({ world, faults }: Simulator, violations: Set<string>): void {
  const look = () => {
    for (const violation of twins(world)) violations.add(violation);
  };
  const event = world.event.bind(world);
  world.event = (kind, detail) => {
    event(kind, detail);
    look();
  };
  const done = faults.onDone;
  faults.onDone = (call, data) => {
    look();
    return done(call, data);
  };
}

/** Guests that run at once and are the same machine, or write to the same disk. */
function twins(world: SimulatorWorld): string[] {
  const owners = new Map<string, string>();
  const found: string[] = [];
  for (const [id, { guests, storages }] of Object.entries(world.state.clusters)) {
    for (const guest of Object.values(guests)) {
      if (!guest.running || guest.qmpStatus !== "running") continue;
      const name = `${id}/${guest.vmid}`;
      for (const mark of [...macsOf(guest), ...volumesOf(guest, storages)]) {
        const other = owners.get(mark);
        if (other !== undefined) found.push(`${other} and ${name} run at once with ${mark}`);
        owners.set(mark, name);
      }
    }
  }
  return found;
}

function macsOf({ config }: GuestState): string[] {
  return Object.entries(config).flatMap(([key, value]) => {
    const [, mac] = /^net\d+$/.test(key) ? (/=([0-9A-F]{2}(?::[0-9A-F]{2}){5})/i.exec(value) ?? []) : [];
    return mac === undefined ? [] : [mac];
  });
}

function volumesOf({ config, node }: GuestState, storages: Record<string, { backends: Record<string, string> }>): string[] {
  return Object.entries(config).flatMap(([key, value]) => {
    const [volid = ""] = value.split(",");
    const [storage = "", volname] = volid.split(":");
    if (!/^(?:scsi|virtio|sata|ide)\d+$/.test(key) || volname === undefined || value.includes("media=cdrom")) return [];
    const backends = storages[storage]?.backends;
    return [`${backends?.[node] ?? backends?.["*"] ?? storage}:${volname}`];
  });
}
