/** A federation file of about 2,000 lines: three dozen clusters, their nodes, links and paths, and pools with rules. */
function bigFederation(clusterCount = 36) {
  const ids = Array.from({ length: clusterCount }, (_, index) => `site-${index + 1}`);
  const lines = ["name: big", "clusters:"];
  for (const [index, id] of ids.entries()) {
    lines.push(
      `  - id: ${id}`,
      `    name: Site ${index + 1}`,
      `    provider: provider-${index % 5}`,
      "    location: Amsterdam, NL",
      "    jurisdiction: EU",
      `    tier: ${["primary", "secondary", "edge"][index % 3]}`,
      "    connection:",
      `      api_url: https://${id}.example:8006`,
      "      token_id: iac@pve!federation",
      `      token_secret_env: TOKEN_${index + 1}`,
      "    network:",
      "      bridges: [vmbr0]",
      "      uplink_speed: 1Gbps",
      "      cross_connects:",
    );
    for (let step = 1; step <= 3; step++)
      lines.push(`        - target_cluster: ${ids[(index + step) % ids.length]}`, "          type: vpn", "          latency: 8ms", "          bandwidth: 500Mbps");
    lines.push("    storage:", "      primary_storage: nvme", "      backends:", "        - { name: nvme, type: zfs, capacity: 4TB }", "    nodes:");
    for (let node = 1; node <= 6; node++) lines.push(`      - name: n${index + 1}-${node}`, "        cores: 32", "        memory: 256GiB");
  }
  lines.push("resource_pools:");
  for (let pool = 0; pool < clusterCount / 4; pool++)
    lines.push(
      `  - name: pool-${pool}`,
      `    clusters: [${ids.slice(pool * 4, pool * 4 + 4).join(", ")}]`,
      "    limits: { max_vms: 500 }",
      "    placement_policy:",
      "      strategy: balanced",
      "      rules:",
      "        - { type: affinity, target: tier, operator: should, value: primary }",
    );
  lines.push("migration_policies:", "  default_method: backup-restore", "  paths:");
  for (const [index, id] of ids.entries())
    lines.push(
      `    - source_cluster: ${id}`,
      `      target_cluster: ${ids[(index + 1) % ids.length]}`,
      "      method: backup-restore",
      "      max_bandwidth: 200Mbps",
    );
  lines.push("backup_stores:", "  - name: vault", "    type: pbs", "    storages:");
  for (const id of ids) lines.push(`      ${id}: vault`);
  return `${lines.join("\n")}\n`;
}

module.exports = { bigFederation };
