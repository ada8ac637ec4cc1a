/** One self-signed certificate per cluster. */
import { X509Certificate } from "node:crypto";
import { generate } from "selfsigned";

export interface ClusterCertificate {
  certificatePem: string;
  privateKeyPem: string;
}

const lifetimeMs = 10 * 365 * 24 * 60 * 60 * 1000;

/** `wallClockMs`: certificates are judged by real time, whatever the simulator's clock says. */
export async function createCertificate(clusterId: string, wallClockMs: number): Promise<ClusterCertificate> {
  const certificate = await generate([{ name: "commonName", value: `${clusterId}.simulated.invalid` }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(wallClockMs - 24 * 60 * 60 * 1000),
    notAfterDate: new Date(wallClockMs + lifetimeMs),
    extensions: [
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  return { certificatePem: certificate.cert, privateKeyPem: certificate.private };
}

/** SHA-256 as Proxmox shows it: `AA:BB:…`. */
export function fingerprintOf(certificate: ClusterCertificate): string {
  return new X509Certificate(certificate.certificatePem).fingerprint256;
}
