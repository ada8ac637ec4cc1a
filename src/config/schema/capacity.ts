import { z } from "zod";
import { share } from "./scalars";

const ratio = () => z.number().gt(0, "must be more than 0");
const each = <T extends z.ZodType>(value: () => T) =>
  z.strictObject({ cpu: value().optional(), memory: value().optional(), storage: value().optional() });

export const capacityRules = z.strictObject({
  overcommit: each(ratio).optional().describe("Promised per physical unit. Default cpu 4, memory 1, storage 1.5."),
  reserve: each(share).optional().describe("Kept free, as 10% or 0.1. Default cpu 10%, memory 15%, storage 10%."),
  pressure_threshold: each(share)
    .optional()
    .describe("Use from which a node counts as under pressure. Default cpu 75%, memory 70%, storage 80%."),
});
export type CapacityRulesFile = z.output<typeof capacityRules>;
