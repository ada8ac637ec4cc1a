import { type TerraformMetaArguments, TerraformResource } from "cdktf";
import type { Construct } from "constructs";
import { type Attributes, type HclAttribute, toHclAttributes } from "./hcl";

/** `proxmox_virtual_environment_vm`. The provider's short name `proxmox_vm` is another, experimental resource. */
export class ProxmoxVm extends TerraformResource {
  static readonly resourceType = "proxmox_virtual_environment_vm";

  /** @param attributes as the provider names them */
  constructor(
    scope: Construct,
    id: string,
    private readonly attributes: Attributes,
    meta: TerraformMetaArguments,
  ) {
    super(scope, id, { ...meta, terraformResourceType: ProxmoxVm.resourceType, terraformGeneratorMetadata: { providerName: "proxmox" } });
  }

  /** Known after apply. */
  get vmId(): number {
    return this.getNumberAttribute("vm_id");
  }

  protected override synthesizeAttributes() {
    return this.attributes;
  }

  protected override synthesizeHclAttributes(): Record<string, HclAttribute> {
    return toHclAttributes(this.attributes);
  }
}
