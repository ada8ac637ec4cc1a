/** The token a user types in. Pure. */

const TOKEN_ID = /^[^\s:/!]+@[A-Za-z0-9._-]+![A-Za-z][A-Za-z0-9._-]*$/;

export function isTokenId(text: string): boolean {
  return TOKEN_ID.test(text);
}

/** `worldstream-prod` → `WORLDSTREAM_PROD_TOKEN` */
export function tokenVariable(clusterId: string): string {
  const name = clusterId.toUpperCase().replace(/[^A-Z0-9]+/g, "_");
  return `${/^[0-9]/.test(name) ? "_" : ""}${name}_TOKEN`;
}
