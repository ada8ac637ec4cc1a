/** Recorded vectors of the real code against guests, storages and backups. */
import { describe, expect, test } from "vitest";
import { performCall } from "../../../src/simulator/calls";
import { formatSection, parseSection } from "../../../src/simulator/guests/config-text";
import { isUnusedKey, parseDrive, printDrive } from "../../../src/simulator/guests/drive";
import { findOption } from "../../../src/simulator/guests/options";
import { PropertyError } from "../../../src/simulator/guests/property-string";
import { ApiError } from "../../../src/simulator/kernel";
import { Router } from "../../../src/simulator/router";
import { routesOf } from "../../../src/simulator/routes";
import type { StorageState } from "../../../src/simulator/state";
import { imageFileFormat, parseVolname } from "../../../src/simulator/volumes/names";
import type { SimulatorWorld } from "../../../src/simulator/world";
import { normalizeText } from "./normalize";
import { readLines, referenceMissing } from "./transcripts";
import { buildWorld, loadVectors, type Vector, verifyVector } from "./vector-world";

const ownPaths = /^\/nodes\/[^/]+\/(qemu|vzdump|storage)(\/|$)|^\/storage(\/|$)/;
/** Recorded answers that rest on something the set-up cannot have, and why. */
const known: [RegExp, string][] = [[/"tags":"team-a;app"/, "which of several forbidden tags is named follows a hash order"]];

const vectorsOf = (...kinds: string[]) => loadVectors().vectors.filter((vector) => kinds.includes(vector.kind));
const sorted = (errors: Record<string, string> | undefined) => Object.entries(errors ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
const nameOf = ({ method, path, params, as }: Vector) => `${as ?? "root@pam"} ${method} ${path} ${JSON.stringify(params).slice(0, 160)}`;

describe.skipIf(referenceMissing)("recorded vectors of guests and storages", () => {
  test("parameters are verified with the recorded texts", () => {
    const differing = vectorsOf("validate")
      .filter((vector) => ownPaths.test(vector.path))
      .map((vector) => ({ vector, got: verifyVector(vector) }))
      .filter(({ got }) => got !== undefined)
      .filter(({ vector, got }) => JSON.stringify(sorted(got?.errors)) !== JSON.stringify(sorted(vector.errors)))
      .map(({ vector, got }) => `${nameOf(vector)}: ${JSON.stringify(got?.errors)} recorded ${JSON.stringify(vector.errors)}`);
    expect(differing).toEqual([]);
  });

  test("whole calls get the recorded status and reason", async () => {
    const differing: string[] = [];
    for (const vector of vectorsOf("handler", "acl").filter((candidate) => ownPaths.test(candidate.path) && !candidate.proxied)) {
      if (known.some(([pattern]) => pattern.test(nameOf(vector)))) continue;
      const got = await call(vector);
      if (got.status === 501) continue;
      const recorded = { status: vector.status ?? 200, reason: vector.status === 200 ? undefined : reasonOf(vector.reason) };
      if (JSON.stringify(got) !== JSON.stringify(recorded))
        differing.push(`${nameOf(vector)}: ${JSON.stringify(got)} recorded ${JSON.stringify(recorded)}`);
    }
    expect(differing).toEqual([]);
  });

  test("drives are read and written as recorded", () => {
    const differing: string[] = [];
    for (const vector of vectorsOf("print-drive")) {
      const [key, text] = vector.args as [string, string];
      const got = printed(key, text);
      if (got !== (vector.result ?? undefined)) differing.push(`${key} ${text}: ${got} recorded ${String(vector.result)}`);
    }
    expect(differing).toEqual([]);
  });

  test("config files are written as recorded", () => {
    for (const vector of vectorsOf("vmconfig").filter((candidate) => candidate.fn === "write(parse)")) {
      const main = String(vector.args?.[1]).split("\n[")[0]!.replace(/\n$/, "\n");
      expect(formatSection(parseSection(main)).trimEnd()).toBe(String(vector.result).split("\n[")[0]!.trimEnd());
    }
  });

  test("volume names are taken apart as recorded", () => {
    const types = ["dir", "nfs", "lvm", "lvmthin", "zfspool", "rbd", "pbs"];
    for (const vector of vectorsOf("volname")) {
      const type = /^parse_volname:(.*)$/.exec(vector.fn ?? "")?.[1];
      const volname = String(vector.args?.[0]);
      if (vector.fn === "parse_name_dir") expect(imageFileFormat(volname)).toBe((vector.result as string[])[1]);
      if (type === undefined || !types.includes(type)) continue;
      // `rootdir/<id>`, qcow2 on LVM and OpenVZ templates are not simulated.
      if (type === "lvm" && volname.endsWith(".qcow2")) continue;
      const storage = {
        storage: "s",
        type,
        content: [],
        backends: {},
        shared: false,
        disabled: false,
        options: {},
      } as unknown as StorageState;
      const got = attempt(() => parseVolname(storage, volname));
      if (vector.error !== undefined) {
        expect(`${type} ${got}`).toBe(`${type} ${vector.error.trimEnd()}`);
        continue;
      }
      const [content, name, vmid] = vector.result as [string, string, string | null];
      expect({
        type,
        content: (got as { content: string }).content,
        name: (got as { name: string }).name,
        vmid: (got as { vmid?: number }).vmid,
      }).toEqual({
        type,
        content,
        name,
        vmid: vmid === null ? undefined : Number(vmid),
      });
    }
  });

  test("every option of the recorded configs is known", () => {
    for (const vector of vectorsOf("vmconfig").filter((candidate) => candidate.fn === "write(parse)")) {
      for (const key of Object.keys(parseSection(String(vector.args?.[1]))))
        if (!isUnusedKey(key) && !["parent", "vmstate"].includes(key))
          expect([key, findOption("9.2", key) !== undefined]).toEqual([key, true]);
    }
  });
});

function printed(key: string, text: string): string | undefined {
  try {
    return printDrive(parseDrive(key, text));
  } catch (error) {
    if (error instanceof PropertyError) return undefined;
    throw error;
  }
}

function attempt<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Perl adds the place in its source where a text has no line feed. */
const reasonOf = (reason: string | undefined) => normalizeText(reason ?? "").replace(/ at \/usr\/share\/perl5\/\S+ line <n>\.$/, "");

const router = new Router(routesOf("9.2"));

/** One call in its recorded state, with the recorded disks on their storages. */
async function call(vector: Vector): Promise<{ status: number; reason?: string }> {
  const match = router.find(vector.method, vector.path);
  if (!match) return { status: 501 };
  const world = buildWorld(vector.state ?? "std");
  addDisks(world);
  const authid = vector.as ?? "root@pam";
  try {
    let settled = false;
    const pending = performCall(world, {
      cluster: world.state.clusters.vectors!,
      node: "n1",
      method: vector.method,
      path: vector.path,
      route: match.route,
      pathVariables: match.pathVariables,
      parameters: vector.params,
      user: { authid, userid: authid.split("!")[0]!, isToken: authid.includes("!"), isRoot: authid === "root@pam" },
    }).finally(() => {
      settled = true;
    });
    pending.catch(() => undefined); // awaited below
    await new Promise((resolve) => setImmediate(resolve));
    while (!settled && (await world.clock.advanceToNextTimer())) await new Promise((resolve) => setImmediate(resolve));
    await pending;
    return { status: 200 };
  } catch (error) {
    return { status: error instanceof ApiError ? error.status : 500, reason: reasonOf((error as Error).message.split("\n")[0]) };
  } finally {
    world.tasks.killAll();
    world.clock.stop();
  }
}

/** Files of the recorded directory storages; block volumes as the configs name them. */
function addDisks(world: SimulatorWorld): void {
  const state = (readState() as { disks: string[] }).disks;
  for (const file of state) {
    const [storage = "", kind, ...rest] = file.split("/");
    if (kind === "images") add(world, storage, rest.join("/"), "images");
    if (kind === "dump" && !file.endsWith(".protected") && !file.endsWith(".notes")) {
      add(world, storage, rest.join("/"), "backup", state.includes(`${file}.protected`));
    }
    if (kind === "import") add(world, storage, `import/${rest.join("/")}`, "import");
    if (kind === "template") add(world, storage, `iso/${rest.slice(1).join("/")}`, "iso");
  }
  add(world, "local", "iso/debian-13.iso", "iso");
  // btrfs is not simulated.
  delete world.state.clusters.vectors!.storages.bt;
  for (const guest of Object.values(world.state.clusters.vectors!.guests)) {
    for (const value of Object.values(guest.config)) {
      const match = /^(thin|lvm|tank|ceph1|nfs1|bt):([^,]+)/.exec(value);
      if (match) add(world, match[1]!, match[2]!, "images");
    }
  }
}

let cachedState: unknown;

function readState(): unknown {
  cachedState ??= readLines("vectors.jsonl").find((line) => (line as { id: string }).id === "state:std");
  return cachedState;
}

function add(
  world: SimulatorWorld,
  storage: string,
  key: string,
  content: "images" | "backup" | "iso" | "import",
  isProtected = false,
): void {
  const backend = world.state.backends[storage];
  if (!backend) return;
  const format = /\.(qcow2|vmdk)$/.exec(key)?.[1] ?? "raw";
  const vmid = Number(/(?:vm|base|qemu|lxc)-(\d+)-/.exec(key)?.[1] ?? 0);
  const archive = content === "backup" ? { archive: { config: "memory: 512\n", disks: {}, writtenBytes: 0 } } : {};
  backend.volumes[key] = {
    volname: key,
    vmid,
    format,
    sizeBytes: 2 ** 30,
    content,
    createdAtMs: 0,
    protected: isProtected,
    blocks: {},
    ...archive,
  };
}
