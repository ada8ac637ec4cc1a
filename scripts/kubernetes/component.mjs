import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const keptLines = 40;
const stopTimeoutMs = 10_000;

/** One process of a control plane. It ends with this one, however this one ends: see tools/kubernetes/main.go. */
export class Component {
  #lines = [];
  #child;
  #ended = false;

  constructor(path, args) {
    this.name = path.split(/[\\/]/).at(-1);
    this.#child = spawn(path, args, { stdio: ["pipe", "ignore", "pipe"], env: { ...process.env, END_WITH_STDIN: "1" } });
    this.#child.stderr.setEncoding("utf8").on("data", (chunk) => this.#keep(chunk));
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#keep(error.message);
        this.#end(resolve);
      });
      this.#child.once("close", () => this.#end(resolve));
    });
  }

  get running() {
    return !this.#ended;
  }

  /** The last lines it printed. */
  get output() {
    return this.#lines.join("\n");
  }

  async stop() {
    if (this.#ended) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), stopTimeoutMs);
    await this.ended;
    clearTimeout(timer);
  }

  #keep(text) {
    this.#lines = [...this.#lines, ...text.trimEnd().split("\n")].slice(-keptLines);
  }

  #end(resolve) {
    this.#ended = true;
    resolve();
  }
}

/** A port on loopback that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
