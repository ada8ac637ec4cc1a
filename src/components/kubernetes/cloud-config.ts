/** The Proxmox CSI plugin's `config.yaml`. Pure. */
import { stringify } from "yaml";
import type { Credentials, CsiSettings } from "../../config";

/** One Proxmox cluster as the plugin reaches it. */
export interface CloudConfigCluster {
  /** `https://host:port`, no path. */
  apiUrl: string;
  /** The plugin does not look at its certificate. */
  insecure: boolean;
  region: string;
  credentials: Credentials;
}

/** Holds secrets: to be kept as one. */
export function formatCloudConfig(clusters: readonly CloudConfigCluster[], csi: CsiSettings | undefined): string {
  return stringify({
    ...(csi ? { features: toFeatures(csi) } : {}),
    clusters: clusters.map(({ apiUrl, insecure, region, credentials }) => ({
      url: `${apiUrl}/api2/json`,
      insecure,
      ...toAccess(credentials),
      region,
    })),
  });
}

/** `controllerVmID` is how the plugin's code spells it; its documentation does not, and another spelling is ignored. */
function toFeatures({ provider, controllerVmid }: CsiSettings) {
  return { provider, controllerVmID: controllerVmid };
}

function toAccess(credentials: Credentials) {
  if (credentials.kind === "password") return { username: credentials.username, password: credentials.password };
  return { token_id: credentials.tokenId, token_secret: credentials.secret };
}
