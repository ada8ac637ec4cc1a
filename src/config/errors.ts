import type { ConfigIssue } from "./model";

/** `file:line:column: path: message. suggestion` */
export function formatIssue(issue: ConfigIssue): string {
  const where = `${issue.file}:${issue.line}:${issue.column}:`;
  const what = issue.path ? `${issue.path}: ${issue.message}` : issue.message;
  return issue.suggestion ? `${where} ${what}. ${issue.suggestion}` : `${where} ${what}`;
}

/** The file cannot be used. `issues` holds every finding, warnings included; the message lists them. */
export class FederationConfigError extends Error {
  readonly code = "FEDERATION_CONFIG";

  constructor(
    readonly file: string,
    readonly issues: ConfigIssue[],
  ) {
    const errors = issues.filter((issue) => issue.severity === "error").length;
    const lines = issues.map((issue) => (issue.severity === "warning" ? `${formatIssue(issue)} (warning)` : formatIssue(issue)));
    super([`${file} cannot be used: ${errors} ${errors === 1 ? "error" : "errors"}`, ...lines].join("\n"));
    this.name = "FederationConfigError";
  }
}

export type CredentialErrorCode = "NO_CONNECTION" | "CREDENTIAL_MISSING" | "CREDENTIAL_UNREADABLE" | "CREDENTIAL_INVALID";

/** A secret or certificate could not be had. Names the variable, file or key; never holds a value. */
export class CredentialError extends Error {
  constructor(
    readonly code: CredentialErrorCode,
    message: string,
    readonly cluster?: string,
  ) {
    super(message);
    this.name = "CredentialError";
  }
}
