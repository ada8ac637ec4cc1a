/** The commands of the multi-site guide, word for word: each works, or is refused with the reason. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
  const api = clientOf(simulated, "worldstream-prod");
  await api.pools.create("production-pool", "");
  const shape = { vmid: 100, name: "legacy", cores: 2, memory: 2048, scsi0: "nvme:4", pool: "production-pool" };
  await api.tasks.wait(await api.qemu.create("ams-1", shape));
  await api.close();
});
afterAll(() => simulated.stop());

/** As the guide's shell passes them: inside single quotes a backslash before a line break stays. */
const words = (command: string) => command.split(" ").filter((word) => word !== "");

describe("the guide's command", () => {
  it.each<[requirement: number, command: string, code: number, said: RegExp]>([
    [20, "federate status -c multi-site.yaml", 0, /● worldstream-prod {2}primary/],
    [
      21,
      "federate allocate -c multi-site.yaml \\\n  -p production-pool --cpu 4 --memory 8GB --location Amsterdam",
      0,
      /worldstream-prod\/ams-\d/,
    ],
    [22, "federate migrate -c multi-site.yaml \\\n  vm-100 --from worldstream-prod --to databarn-dr", 0, /method: +backup-restore/],
    [23, "federate validate -c multi-site.yaml", 0, /0 errors/],
    [24, "federate validate -c config.yaml --check-connectivity", 0, /cluster databarn-dr: checked/],
    [
      25,
      "federate migrate vm-100 --from source --to target --dry-run",
      2,
      /there is no cluster source in the federation file\. It declares worldstream-prod/,
    ],
    [26, "federate allocate -p pool --explain", 2, /there is no pool pool in the federation file\. It declares production-pool/],
    [26, "federate allocate -p production-pool --explain", 0, /headroom/],
  ])("§2.%d %s", async (requirement, command, code, said) => {
    const [, ...argv] = words(command).map((word) => (word.endsWith(".yaml") ? simulated.env.FEDERATION_CONFIG! : word));
    // The move itself is the subject of its own test; without a terminal nobody could stop it here.
    const result = await federate(requirement === 22 ? [...argv, "--dry-run"] : argv, simulated.env);
    expect(result.out + result.err).toMatch(said);
    expect(result.code).toBe(code);
  });
});
