export { formatBandwidth, parseBandwidthBitsPerSecond } from "./bandwidth";
export { type DurationUnit, formatDuration, parseDurationMs, parseLatencyMs } from "./duration";
export { formatPercent, parsePercent } from "./percent";
export { UnitError } from "./quantity";
export { roundedAmount, roundedDuration, roundedSize } from "./rounded";
export { formatSize, parseSizeBytes } from "./size";
