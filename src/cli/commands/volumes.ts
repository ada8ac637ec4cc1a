/** Commands about Kubernetes volumes. They change nothing: volumes are moved by the Pulumi program that declares them. */
import type { Command } from "commander";
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
  command("move", "what moving a volume takes, who uses it, and what its program has to say; moves nothing itself")
    .argument("<volume>", named)
    .requiredOption("--to <region/zone>", "where it is to be")
    .option("--dry-run", "only tell: exit code 0 where a program can move it")
    .action(async (volume: string, options: MoveOptions) =>
      finish(await (await import("../volumes/move.js")).moveVolume(file(), volume, options, io)),
    );
  command("orphans", "disks that no PersistentVolume names, and PersistentVolumes whose disk is gone").action(
    async (options: OrphansOptions) => finish(await (await import("../volumes/orphans-command.js")).listOrphans(file(), options, io)),
  );
}
