import { formatIssue, safeParseFederation } from "../../src/config";

/** Each finding with the line and the text at its place instead of the column: `5 lcoation: clusters[0].lcoation: unknown key …`. */
export const findings = (text: string): string[] =>
  safeParseFederation(text, "f.yaml").issues.map((issue) => {
    const place = text.split("\n")[issue.line - 1]!.slice(issue.column - 1);
    const shown = formatIssue(issue).replace(
      `f.yaml:${issue.line}:${issue.column}:`,
      `${issue.line} ${/^[\w-]*/.exec(place)![0] || place.slice(0, 1)}:`,
    );
    return issue.severity === "warning" ? `warning ${shown}` : shown;
  });
export const errors = (text: string): string[] => findings(text).filter((line) => !line.startsWith("warning "));
export const warnings = (text: string): string[] =>
  findings(text)
    .filter((line) => line.startsWith("warning "))
    .map((line) => line.slice("warning ".length));

/** A sound file; `cluster` and `rest` are inserted into cluster `a` and at the end. */
export const complete = ({
  cluster = "",
  connection = CONNECTION,
  rest = "",
}: {
  cluster?: string;
  connection?: string;
  rest?: string;
}): string =>
  [
    "name: acme", // 1
    "clusters:", // 2
    "  - id: a", // 3
    `    connection: ${connection}`, // 4
    `    ${cluster}`, // 5
    "  - { id: b, tags: [spare], connection: { api_url: 'https://b:8006', token_id: u@pve!tb, token_secret_env: B, ca_file: b.pem } }", // 6
    rest, // 7
    "",
  ].join("\n");
const CONNECTION = "{ api_url: 'https://a:8006', token_id: u@pve!ta, token_secret_env: A, ca_file: a.pem }";
