/** What the resource classes tell the engine. */
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { FederatedVM } from "../../src/providers/federated-vm";
import { ProxmoxDisk } from "../../src/providers/proxmox-disk";
import { ResourcePool } from "../../src/providers/resource-pool";
import { runProgram } from "../components/kubernetes/registered";

const VM = { cores: 1, memory: "1GiB", pool: "prod" };
const secretsOf = async (program: () => void) => (await runProgram({}, program)).ofType(":FederatedVM")[0]?.secrets;

describe("a VM with a secret among its arguments", () => {
  it("has what repeats them kept secret as well", async () => {
    expect(await secretsOf(() => void new FederatedVM("web", { ...VM, cloudInit: { user: pulumi.secret("payroll") } }))).toEqual(
      expect.arrayContaining(["__desired", "__observed"]),
    );
  });

  it("and one without has no secrets", async () => {
    expect(await secretsOf(() => void new FederatedVM("web", { ...VM, cloudInit: { user: pulumi.output("me") } }))).toEqual([]);
  });
});

describe("deleteBeforeReplace", () => {
  const options = { deleteBeforeReplace: true };
  it("is refused for what holds data: the replacement would have nothing to take over", async () => {
    await runProgram({}, () => {
      expect(() => new FederatedVM("web", VM, options)).toThrow(/FederatedVM web: deleteBeforeReplace would destroy its data/);
      expect(() => new ProxmoxDisk("data", { size: "1GiB", pool: "prod" }, options)).toThrow(/ProxmoxDisk data: deleteBeforeReplace/);
      expect(() => new ResourcePool("prod", {}, options)).not.toThrow();
    });
  });
});
