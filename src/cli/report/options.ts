/** What `federate report` takes. Apart from the command, so that `--help` loads nothing else. */
export const REPORT_KINDS = ["html", "svg", "mermaid", "markdown"] as const;

export interface ReportOptions {
  preview?: string;
  as: (typeof REPORT_KINDS)[number];
  output?: string;
}
