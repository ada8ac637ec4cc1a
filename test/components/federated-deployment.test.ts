import * as pulumi from "@pulumi/pulumi";
import { beforeEach, describe, expect, it } from "vitest";
import { FederatedDeployment } from "../../src";

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

describe("FederatedDeployment", () => {
  let registered: Registered[];

  beforeEach(async () => {
    registered = [];
    await pulumi.runtime.setMocks(
      {
        newResource: ({ type, name, inputs }) => {
          registered.push({ type, name, inputs });
          return { id: name, state: { ...inputs, placement: { cluster: "a", node: `n-${name}`, storages: [], why: "" } } };
        },
        call: () => ({}),
      },
      "shop",
      "dev",
    );
  });

  const settle = (output: pulumi.Output<unknown>) => new Promise((resolve) => output.apply(resolve));
  const vms = () => registered.filter(({ type }) => type.endsWith(":FederatedVM"));

  it("declares every member with the same joint plan, equal shapes once", async () => {
    const shape = { cores: 2, memory: "4GiB", disks: [{ size: "8GiB" }] };
    const shop = new FederatedDeployment("shop", {
      pool: "production",
      vms: { one: shape, two: { ...shape, description: "says nothing about places" }, big: { ...shape, cores: 8 } },
    });
    expect(await settle(shop.placements)).toEqual({ one: "a/n-shop-one", two: "a/n-shop-two", big: "a/n-shop-big" });
    expect(new Set(vms().map(({ inputs }) => inputs.__before)).size).toBe(1);
    const texts = new Set(vms().map(({ inputs }) => inputs.__together));
    expect(texts.size).toBe(1);
    expect(JSON.parse([...texts][0] as string)).toEqual({
      kind: "deployment",
      name: "shop",
      pool: "production",
      shapes: [
        { args: shape, names: ["shop-one", "shop-two"] },
        { args: { ...shape, cores: 8 }, names: ["shop-big"] },
      ],
    });
  });

  it("counts for what is declared after it", async () => {
    const first = new FederatedDeployment("first", { vms: { one: { cores: 1, memory: "1GiB" } } });
    const second = new FederatedDeployment("second", { vms: { one: { cores: 1, memory: "1GiB" } } });
    await settle(pulumi.all([first.placements, second.placements]));
    const before = JSON.parse(vms().find(({ name }) => name === "second-one")?.inputs.__before as string) as { name: string }[];
    expect(before.map(({ name }) => name)).toContain("first");
  });

  it("takes outputs where they say nothing about places, and refuses them where they do", async () => {
    const later = pulumi.output("later");
    const shop = new FederatedDeployment("plain", {
      vms: { one: { cores: 1, memory: "1GiB", description: later, cloudInit: { user: later, sshKeys: [later] } } },
    });
    await settle(shop.placements);
    expect(() => new FederatedDeployment("unplain", { vms: { one: { cores: 1, memory: later } } })).toThrow(
      /FederatedDeployment unplain: vms\["unplain-one"\]\.memory is an output of another resource.*pass a plain value/,
    );
  });
});
