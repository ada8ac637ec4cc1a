/** The provider process against an engine that goes away: a real child, a real socket. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import ts from "typescript";
import { afterEach, beforeAll, describe, expect, it } from "vitest";

let program: string;
beforeAll(() => {
  const file = path.join(__dirname, "../../src/providers/watchdog.ts");
  const source = ts.sys.readFile(file) ?? "";
  const compiled = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 } });
  // Busy for ever, as a provider in the middle of its work; says when it watches.
  program = `${compiled.outputText}\nexports.exitWithEngine(process.argv.at(-1));\nsetInterval(() => {}, 1000);\nconsole.log("watching");`;
});

const open: { servers: Server[]; sockets: Set<Socket>; children: ChildProcess[] } = { servers: [], sockets: new Set(), children: [] };
afterEach(async () => {
  for (const child of open.children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  for (const server of open.servers.splice(0)) await close(server);
});

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    open.sockets.add(socket);
    socket.on("close", () => open.sockets.delete(socket));
    // The child is killed in the middle of whatever it does.
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.servers.push(server);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, port: address.port };
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  for (const socket of open.sockets) socket.destroy();
  await closed;
}

async function start(argument: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["-e", program, argument], { stdio: ["ignore", "pipe", "inherit"] });
  open.children.push(child);
  await once(child.stdout!, "data");
  return child;
}

async function startConnected(server: Server, port: number): Promise<ChildProcess> {
  const connected = once(server, "connection");
  const child = await start(`127.0.0.1:${port}`);
  await connected;
  return child;
}

describe("a provider process", () => {
  it("ends when its engine is gone", async () => {
    const { server, port } = await listen();
    const child = await startConnected(server, port);
    const exited = once(child, "exit");
    await close(server);
    expect(await exited).toEqual([1, null]);
  });

  it("goes on when its engine only drops the connection, and watches the next one", async () => {
    const { server, port } = await listen();
    const child = await startConnected(server, port);
    for (let round = 0; round < 3; round++) {
      const again = once(server, "connection");
      for (const socket of open.sockets) socket.destroy();
      await again;
      expect(child.exitCode).toBeNull();
    }
    const exited = once(child, "exit");
    await close(server);
    expect(await exited).toEqual([1, null]);
  });

  it.each(["", "--flag", "127.0.0.1", "127.0.0.1:", ":1234", "a b:12", "127.0.0.1:12x"])("takes %j for no engine", async (argument) => {
    const { exitWithEngine } = await import("../../src/providers/watchdog");
    const before = process.getActiveResourcesInfo().filter((kind) => kind.startsWith("TCP")).length;
    exitWithEngine(argument);
    expect(process.getActiveResourcesInfo().filter((kind) => kind.startsWith("TCP")).length).toBe(before);
  });
});
