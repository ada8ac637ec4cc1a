/** Where users come from. */
export const realms = [
  { realm: "pve", type: "pve", comment: "Proxmox VE authentication server" },
  { realm: "pam", type: "pam", comment: "Linux PAM standard authentication" },
];

export function realmType(userid: string): string | undefined {
  const realm = userid.slice(userid.lastIndexOf("@") + 1);
  return realms.find((candidate) => candidate.realm === realm)?.type;
}
