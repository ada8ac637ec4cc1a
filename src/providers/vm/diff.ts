/** What an update would change. Pure, since the engine also calls it speculatively and with the roles swapped. */
import { hasUnknown, type Inputs } from "../inputs";
import { isReturn } from "../return";
import { compareShapes } from "./shape";
import { placementOf, readVmInputs, readVmOutputs } from "./state";

export interface DiffResult {
  changes: boolean;
  replaces: string[];
}

export function diffVm(oldOutputs: Inputs, newInputs: Inputs): DiffResult {
  // Unknown values may turn out equal; they never justify a replacement.
  if (hasUnknown(newInputs.placement)) return { changes: true, replaces: [] };
  const olds = readVmOutputs(oldOutputs);
  const news = readVmInputs(newInputs);
  const placement = placementOf(news);
  if (placement.cluster !== olds.__at.cluster || isReturn(olds, news)) return { changes: true, replaces: ["placement"] };
  // A node that HA or an operator chose, and that breaks no rule, is where the guest lives now.
  const liveNode = news.__live?.cluster === olds.__at.cluster ? news.__live.node : olds.__at.node;
  const changed =
    placement.node !== liveNode ||
    news.recovery !== undefined ||
    news.cleanup !== undefined ||
    news.__pool !== olds.__pool ||
    compareShapes(news.__desired, olds.__observed).length > 0;
  return { changes: changed, replaces: [] };
}
