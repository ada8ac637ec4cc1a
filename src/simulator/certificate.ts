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

/** As `certificates/info` shows it, beside file name and fingerprint. */
export function describeCertificate(certificate: ClusterCertificate): Record<string, string | number | string[]> {
  const parsed = new X509Certificate(certificate.certificatePem);
  return {
    issuer: parsed.issuer,
    subject: parsed.subject,
    notbefore: Math.floor(Date.parse(parsed.validFrom) / 1000),
    notafter: Math.floor(Date.parse(parsed.validTo) / 1000),
    pem: certificate.certificatePem,
    "public-key-type": "id-ecPublicKey",
    "public-key-bits": 256,
    san: (parsed.subjectAltName ?? "").split(", ").map((name) => name.replace(/^(DNS|IP Address):/, "")),
  };
}
