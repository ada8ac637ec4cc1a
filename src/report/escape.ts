/** Names come from clusters and files: in a picture or a page they must stay text. */

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** For XML and HTML, inside and outside of attributes; control characters, which XML forbids, become blanks. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!).replace(/\p{Cc}/gu, " ");
}

/** For a cell of a Markdown table. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\|`*_{}[\]<>#]/g, "\\$&").replace(/\s+/g, " ");
}

/** For a quoted label of Mermaid, which knows entities without their ampersand. */
export function escapeMermaid(text: string): string {
  return text.replace(/["#;<>&\\`{}[\]|()]/g, (character) => `#${character.codePointAt(0)};`).replace(/\s+/g, " ");
}
