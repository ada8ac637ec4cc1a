/** The Terraform provider bpg/proxmox, written by hand: there are no published bindings. */
import { TerraformProvider } from "cdktf";
import type { Construct } from "constructs";
import { type HclAttribute, toHclAttributes } from "./hcl";

export interface ProxmoxProviderConfig {
  alias: string;
  /** `https://host:8006` */
  endpoint: string;
  /** `user@realm!name=secret`; the secret as a reference to a Terraform variable. */
  apiToken?: string;
  username?: string;
  password?: string;
  /** Skips the check of the server's certificate. Default false. */
  insecure?: boolean;
  /** Version constraint of the provider. Default {@link BPG_VERSION}. */
  version?: string;
}

/** What the resources here are written for and tested with is 0.80.0. */
export const BPG_VERSION = ">= 0.80.0, < 1.0.0";

export class ProxmoxProvider extends TerraformProvider {
  constructor(
    scope: Construct,
    id: string,
    private readonly config: ProxmoxProviderConfig,
  ) {
    super(scope, id, {
      terraformResourceType: "proxmox",
      terraformGeneratorMetadata: { providerName: "proxmox", providerVersionConstraint: config.version ?? BPG_VERSION },
      terraformProviderSource: "bpg/proxmox",
    });
  }

  // The base class has an accessor pair that does nothing, so a field would be lost. Also asked by its constructor.
  override get alias(): string | undefined {
    return this.config?.alias;
  }

  protected override synthesizeAttributes() {
    const { endpoint, apiToken, username, password, insecure } = this.config;
    return { endpoint, api_token: apiToken, username, password, insecure };
  }

  protected override synthesizeHclAttributes(): Record<string, HclAttribute> {
    return toHclAttributes(this.synthesizeAttributes());
  }
}
