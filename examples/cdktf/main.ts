/** Terraform with the federation's placement: where each VM goes is decided here, before Terraform starts. */
import { App, LocalBackend, TerraformStack } from "cdktf";
import { FederatedVms, Federation } from "proxmox-federation/cdktf";

const web = {
  cores: 2,
  memory: "4GiB",
  disks: [{ size: "16GiB", storageClass: "fast", discard: true }],
  networks: [{ network: "lan" }],
  image: "debian-12",
  cloudInit: { user: "admin", ipConfigs: ["ip=dhcp"] },
  tags: ["web"],
  antiAffinity: ["web"], // never two on one node
};

async function main(): Promise<void> {
  const federation = await Federation.load({
    file: process.env.FEDERATION_CONFIG ?? "../multi-site/federation.yaml",
    lockFile: "federation.lock.json",
    offline: process.env.OFFLINE === "1",
  });
  for (const { file, line, message } of federation.warnings) console.error(`warning: ${file}:${line}: ${message}`);

  const app = new App();
  const stack = new TerraformStack(app, "prod");
  new LocalBackend(stack, { path: `${__dirname}/../terraform.tfstate` });
  const { placements } = new FederatedVms(stack, "vms", {
    federation,
    pool: "production-pool",
    vms: {
      "web-1": web,
      "web-2": web,
      "db-1": { cores: 4, memory: "16GiB", disks: [{ size: "20GiB" }, { size: "64GiB" }], networks: [{ network: "lan" }], tags: ["db"] },
    },
    // Simulated clusters and those with Proxmox's own certificate: the Terraform provider cannot pin a fingerprint.
    insecureClusters: (process.env.INSECURE_CLUSTERS ?? "").split(",").filter((id) => id !== ""),
  });
  await federation.synth(app); // instead of app.synth(): also writes federation.lock.json
  console.error(placements);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
