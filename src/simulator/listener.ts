/** An HTTPS port on loopback that can be closed and opened again. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface ListenerOptions {
  certificate: { certificatePem: string; privateKeyPem: string };
  /** 0 at first: the system chooses, and the choice stays for later openings. */
  port: number;
  onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** What is no HTTP. Default: the connection ends. */
  onGarbage?: (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex) => void;
}

export class HttpsListener {
  private readonly server: Server;
  private readonly sockets = new Set<Duplex>();
  private isOpen = false;
  private currentPort: number;

  constructor({ certificate, port, onRequest, onGarbage }: ListenerOptions) {
    this.currentPort = port;
    this.server = createServer(
      { cert: certificate.certificatePem, key: certificate.privateKeyPem, maxHeaderSize: 64 * 1024 },
      (request, response) => onRequest(request, response),
    );
    // Every socket is destroyed by `close`; Node's own sweep at that moment trips over a connection that is just ending.
    this.server.closeIdleConnections = () => undefined;
    this.server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    this.server.on("clientError", onGarbage ?? ((_, socket) => socket.destroy()));
  }

  get port(): number {
    return this.currentPort;
  }

  get url(): string {
    return `https://127.0.0.1:${this.currentPort}`;
  }

  /** Does nothing when it listens already. True when it has just begun. */
  open(): Promise<boolean> {
    if (this.isOpen) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(this.currentPort, "127.0.0.1", () => {
        this.server.off("error", reject);
        const address = this.server.address();
        if (typeof address === "object" && address) this.currentPort = address.port;
        this.isOpen = true;
        resolve(true);
      });
    });
  }

  /** Ends every connection. True when it was open. */
  async close(): Promise<boolean> {
    if (!this.isOpen) return false;
    this.isOpen = false;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
    return true;
  }
}
