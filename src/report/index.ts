/** Pictures and texts of a federation and of what is planned for it. */
export { toTopology } from "./from-inventory";
export { previewMarkdown } from "./markdown";
export { topologyMermaid } from "./mermaid";
export { topologyPage } from "./page/page";
export { withPlanned } from "./planned";
export { type PlannedChanges, PreviewError, readPreview } from "./preview";
export { topologySvg } from "./svg";
export type { GuestChange, Place, Topology } from "./topology";
