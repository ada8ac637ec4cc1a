import type { Findings } from "../findings";
import type { FederationFile } from "../schema/federation";

/** What a check works on. */
export interface CheckInput {
  file: FederationFile;
  findings: Findings;
  /** Ids of all clusters of the file, also of those that could not be read. */
  clusterIds: readonly string[];
}
