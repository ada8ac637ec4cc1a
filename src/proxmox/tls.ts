import { isIP } from "node:net";
import { createSecureContext, type TLSSocket } from "node:tls";
import { buildConnector } from "undici";
import { TransportFailure } from "./transport-failure";

export interface TlsOptions {
  /**
   * SHA-256 of the server's certificate, with or without colons. Every Proxmox node has a certificate of
   * its own, so several may be given, separated by comma or blank: any of them is accepted.
   */
  fingerprint?: string;
  /** PEM of the authority to trust instead of the system's; Proxmox has one per cluster in `/etc/pve/pve-root-ca.pem`. */
  ca?: string;
  /** `false` accepts any certificate. Whoever sits on the wire then reads the credentials: the caller must say so loudly. */
  verify: boolean;
}

/** Upper-case hex with colons, as Node prints fingerprints. */
export function parseFingerprints(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .filter((part) => part !== "")
    .map((part) => {
      const hex = part.replace(/:/g, "").toUpperCase();
      if (!/^[0-9A-F]{64}$/.test(hex)) {
        throw new TypeError(`"${part}" is not a SHA-256 fingerprint: 64 hexadecimal digits are needed, colons allowed.`);
      }
      return hex.match(/../g)!.join(":");
    });
}

/**
 * Connector that hands a socket to undici only when its certificate is the right one. Up to that moment
 * undici has written nothing, so credentials never reach a server that failed the check.
 */
export function createConnector(tls: TlsOptions, connectTimeoutMs: number): buildConnector.connector {
  const expected = tls.fingerprint === undefined ? [] : parseFingerprints(tls.fingerprint);
  const byFingerprint = expected.length > 0;
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    // One for all connections: making it reads every known authority, which takes longer than a handshake.
    secureContext: createSecureContext({ ca: tls.ca }),
    rejectUnauthorized: !byFingerprint && tls.verify,
    // A resumed session brings no certificate to look at.
    maxCachedSessions: 0,
  });
  return (options, callback) => {
    // SNI takes no address, and undici leaves "[::1]" in the host name.
    const hostname = options.hostname.replace(/^\[|\]$/g, "");
    const target = { ...options, hostname, servername: isIP(hostname) ? undefined : options.servername };
    connect(target, (error, socket) => {
      if (error !== null) {
        callback(TransportFailure.ofConnect(error), null);
        return;
      }
      if (byFingerprint) {
        const found = (socket as TLSSocket).getPeerCertificate().fingerprint256 ?? "none";
        if (!expected.includes(found)) {
          socket.destroy();
          callback(TransportFailure.ofFingerprint(expected, found), null);
          return;
        }
      }
      callback(null, socket);
    });
  };
}
