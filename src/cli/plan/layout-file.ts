/** The file `federate plan --layout` reads: VMs to come, in the words of a Pulumi program. */
import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { z } from "zod";
import type { Federation, ResourcePool } from "../../config";
import type { PlacementRequest } from "../../placement";
import { toFailures } from "../../providers/schema";
import { toRequest } from "../../providers/vm/request";
import { vmSchema } from "../../providers/vm/spec";
import { UsageError } from "../failure";

const layoutSchema = z.strictObject({
  vms: z.array(z.looseObject({ name: z.string(), count: z.int().min(1).max(100_000).default(1) })).min(1),
});

/** @throws UsageError with file, place and what to do */
export async function readLayout(file: string, federation: Federation): Promise<PlacementRequest[]> {
  const document = parseDocument(await readFile(file, "utf8"));
  const [broken] = document.errors;
  if (broken) throw new UsageError(`${file}: ${broken.message.split("\n")[0]}`);
  const parsed = layoutSchema.safeParse(document.toJS());
  if (!parsed.success) throw new UsageError(problem(file, "", parsed.error));
  const requests = parsed.data.vms.flatMap(({ name, count, ...vm }, index) => {
    const spec = vmSchema.safeParse({ name, ...vm });
    if (!spec.success) throw new UsageError(problem(file, `vms[${index}].`, spec.error));
    const pool = getPool(federation, spec.data.pool, `${file}: vms[${index}]`);
    const names = count === 1 ? [name] : Array.from({ length: count }, (_, position) => `${name}-${position + 1}`);
    return names.map((one) => toRequest({ ...spec.data, name: one }, pool, `new/${one}`, undefined));
  });
  const first = new Map(requests.map((request) => [request.key, request] as const).reverse());
  const twice = requests.find((request) => first.get(request.key) !== request);
  if (twice) throw new UsageError(`${file}: two VMs are called ${twice.name}. Give each its own name.`);
  return requests;
}

function getPool(federation: Federation, name: string | undefined, where: string): ResourcePool {
  const wanted = name ?? federation.defaultPool;
  const known = federation.resourcePools.map((pool) => pool.name).join(", ");
  if (wanted === undefined) throw new UsageError(`${where}: pool is missing. Name one of ${known}, or set federation.default_pool.`);
  const pool = federation.resourcePools.find((candidate) => candidate.name === wanted);
  if (!pool) throw new UsageError(`${where}: there is no pool ${wanted}. The federation file declares ${known || "none"}.`);
  return pool;
}

function problem(file: string, prefix: string, error: z.ZodError): string {
  const [failure] = toFailures(error);
  const place = `${prefix}${failure?.property ?? ""}`;
  return `${file}: ${place === "" ? "" : `${place}: `}${failure?.reason ?? "not valid"}`;
}
