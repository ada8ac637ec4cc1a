/** Commands about Kubernetes volumes. Only `move` changes anything, and only what no Pulumi program owns. */
import type { Command } from "commander";
import { parseWorkload } from "../option-values";
import type { ListOptions } from "../volumes/list";
import type { LocateOptions } from "../volumes/locate";
import type { MoveOptions } from "../volumes/move";
import type { OrphansOptions } from "../volumes/orphans-command";
import { type CommandContext, formatOption } from "./context";

export function addVolumeCommands(program: Command, { io, finish, file }: CommandContext): void {
  const volumes = program.command("volumes").description("Kubernetes volumes on the federation's disks");
  const command = (text: string, description: string) =>
    volumes
      .command(text)
      .description(description)
      .option("--kubeconfig <file>", "default: $KUBECONFIG, else ~/.kube/config")
      .option("--context <name>", "context of the kubeconfig (default: the current one)")
      .addOption(formatOption());
  const named = "PersistentVolume, namespace/claim, or the name in the program";
  command("list", "all PersistentVolumes of the Proxmox CSI driver").action(async (options: ListOptions) =>
    finish(await (await import("../volumes/list.js")).listVolumes(options, io)),
  );
  command("where", "cluster, node, storage and owner of a volume's disk")
    .argument("<volume>", named)
    .action(async (volume: string, options: LocateOptions) =>
      finish(await (await import("../volumes/locate.js")).whereIsVolume(file(), volume, options, io)),
    );
  command("used-by", "pods, attachments and guests that use a volume")
    .argument("<volume>", named)
    .action(async (volume: string, options: LocateOptions) =>
      finish(await (await import("../volumes/locate.js")).whoUsesVolume(file(), volume, options, io)),
    );
  command("move", "moves a volume that no program owns; of a program's it says what the program has to declare")
    .argument("<volume>", named)
    .requiredOption("--to <region/zone>", "where it is to be")
    .option("--dry-run", "only tell what would be done, and what stands in the way")
    .option("--adopt", "take over a volume that nobody owns: its disk gets an owner VM, by which it moves")
    .option("--quiesce <kind/namespace/name>", "StatefulSet or Deployment that is scaled down meanwhile, and back", parseWorkload)
    .option("--storage-class <class>", "logical class (default: the one that means its storage)")
    .option("--pool <name>", "pool whose rules hold (default: federation.default_pool)")
    .option("--override", "move outside the migration window too")
    .option("-y, --yes", "do not ask")
    .action(async (volume: string, options: MoveOptions) =>
      finish(await (await import("../volumes/move.js")).moveVolume(file(), volume, options, io)),
    );
  command("orphans", "disks that no PersistentVolume names, and PersistentVolumes whose disk is gone").action(
    async (options: OrphansOptions) => finish(await (await import("../volumes/orphans-command.js")).listOrphans(file(), options, io)),
  );
}
