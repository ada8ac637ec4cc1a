import { expect, test } from "vitest";
import { whyNotDescribable } from "../../src/providers/vm/describable";

const disk = (number: number) => `fast:vm-100-disk-${number},size=8G`;

test.each<[string, Record<string, string>, RegExp | undefined]>([
  [
    "disks on scsi0, scsi1, … are fine, beside cloud-init and an empty CD drive",
    { scsi0: disk(0), scsi1: disk(1), ide2: "none,media=cdrom" },
    undefined,
  ],
  ["no disk at all is fine", {}, undefined],
  ["UEFI", { bios: "ovmf", scsi0: disk(0) }, /UEFI/],
  ["a disk on another bus", { scsi0: disk(0), virtio0: disk(1) }, /disks on virtio0: move them/],
  ["a disk where attached ones go", { scsi0: disk(0), scsi16: disk(1) }, /disks on scsi16/],
  ["a gap", { scsi0: disk(0), scsi2: disk(1) }, /scsi0, scsi2: .* without a gap/],
])("%s", (_case, values, reason) => {
  const why = whyNotDescribable({ digest: "", values });
  if (reason === undefined) expect(why).toBeUndefined();
  else expect(why).toMatch(reason);
});
