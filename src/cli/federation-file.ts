/** The file of a call: option, then environment, then the working directory. */
export function federationFile(option: string | undefined, environment: Record<string, string | undefined>): string {
  return option ?? (environment.FEDERATION_CONFIG || "federation.yaml");
}
