/** What a command's exit status says; scripts branch on it, so the numbers are a promise. */
export const EXIT = {
  ok: 0,
  /** The command did its work and found something: an error in the file, no place for a VM, an unhealthy cluster. */
  finding: 1,
  /** The arguments, or the federation file, cannot be used. */
  usage: 2,
  /** A cluster did not answer in time, or what answers is not its Proxmox API. */
  unreachable: 3,
  /** Credentials are missing or refused, or lack a privilege. */
  refused: 4,
  /** A fault of this program. */
  internal: 70,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Most telling first: what could not be looked at makes every other finding incomplete. */
const ORDER: readonly ExitCode[] = [EXIT.internal, EXIT.usage, EXIT.unreachable, EXIT.refused, EXIT.finding, EXIT.ok];

/** The one code for several outcomes; `ok` for none. */
export function worstOf(codes: readonly ExitCode[]): ExitCode {
  return ORDER.find((code) => codes.includes(code)) ?? EXIT.ok;
}

export const EXIT_CODE_HELP = `
Exit codes:
  0  done, nothing to object
  1  a finding: an error in the file, no place for a VM, an unhealthy cluster
  2  the arguments or the federation file cannot be used
  3  a cluster cannot be reached, or is not what it should be (certificate, no Proxmox API)
  4  credentials are missing or refused, or lack a privilege
  70 a fault of this program; only then a stack trace is printed`;
