/** A preview for the reviewer of a pull request, as GitHub's Markdown. Pure. */
import { escapeMarkdown } from "./escape";
import type { PlannedChanges, PlannedResource } from "./preview";
import { placeText } from "./topology";

/** GitHub refuses comments above 65,536 characters; the rest of a long table is counted instead. */
const LONGEST = 60_000;

export function previewMarkdown({ resources, messages }: PlannedChanges): string {
  const moves = resources.filter(({ from, to }) => from && to && from.cluster !== to.cluster);
  const others = resources.filter((resource) => !moves.includes(resource) && resource.operation !== "same");
  const errors = messages.filter(({ severity }) => severity === "error");
  const warnings = messages.filter(({ severity }) => severity === "warning");
  const sections = [
    `## Federation: ${summary(resources, moves)}`,
    ...(errors.length === 0 ? [] : [list("This plan cannot be carried out", errors)]),
    ...(moves.length === 0 ? [] : [movesSection(moves)]),
    ...(others.length === 0 ? [] : [changesSection(others)]),
    ...(warnings.length === 0 ? [] : [list("Warnings", warnings)]),
  ];
  return shorten(`${sections.join("\n\n")}\n`);
}

function summary(resources: readonly PlannedResource[], moves: readonly PlannedResource[]): string {
  const count = (operation: PlannedResource["operation"]) =>
    resources.filter((resource) => resource.operation === operation && !moves.includes(resource)).length;
  const parts = [
    ...(moves.length === 0 ? [] : [`**${moves.length} to move between clusters**`]),
    ...(["create", "update", "replace", "delete"] as const).flatMap((operation) =>
      count(operation) === 0 ? [] : [`${count(operation)} to ${operation}`],
    ),
    `${count("same")} unchanged`,
  ];
  return parts.join(", ");
}

function movesSection(moves: readonly PlannedResource[]): string {
  const rows = moves.map(({ name, from, to, migration = {} }) => [
    name,
    from ? placeText(from) : "",
    to ? placeText(to) : "",
    migration.method ?? "",
    migration.transfer ?? "",
    migration.downtime ?? "",
    migration.window ?? "any time",
    migration.reason ?? "",
  ]);
  return `### Moves\n\n${table(["what", "from", "to", "method", "transfer", "downtime", "window", "why"], rows)}`;
}

function changesSection(resources: readonly PlannedResource[]): string {
  const rows = resources.map(({ name, kind, operation, from, to, why, restart }) => [
    operation,
    kind,
    name,
    placeWords(from && placeText(from), to && placeText(to)),
    [why, restart].filter((text) => text !== undefined).join("; "),
  ]);
  return `### Other changes\n\n${table(["", "kind", "name", "place", "why"], rows)}`;
}

function placeWords(from: string | undefined, to: string | undefined): string {
  if (from !== undefined && to !== undefined && from !== to) return `${from} → ${to}`;
  return to ?? from ?? "";
}

function list(title: string, messages: readonly { text: string }[]): string {
  return `### ${title}\n\n${messages.map(({ text }) => `* ${escapeMarkdown(text)}`).join("\n")}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map((row) => line(row.map(escapeMarkdown)))].join("\n");
}

function shorten(text: string): string {
  if (text.length <= LONGEST) return text;
  const lines = text.split("\n");
  let length = 0;
  const kept = lines.findIndex((line) => {
    length += line.length + 1;
    return length > LONGEST;
  });
  return `${lines.slice(0, kept).join("\n")}\n\n… and ${lines.length - kept} more lines: see the output of the preview.\n`;
}
