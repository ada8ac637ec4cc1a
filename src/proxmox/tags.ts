/** Guest tags. Proxmox takes `,`, `;` and blanks between them and stores `;`. */
export function splitTags(text: string): string[] {
  return text.split(/[\s,;]+/).filter((tag) => tag !== "");
}

/** Proxmox refuses other tags: `invalid characters in tag`. */
export function isValidTag(tag: string): boolean {
  return /^[a-z0-9_][a-z0-9_+.-]*$/i.test(tag);
}

export interface TagStyle {
  /** Datacenter option `tag-style case-sensitive`. Default false: tags are lower-cased. */
  caseSensitive?: boolean;
  /** Datacenter option `tag-style ordering=config`. Default false: tags are sorted. */
  keepOrder?: boolean;
}

/** What Proxmox makes of tags when it stores them: lower-cased, each once, sorted. */
export function normalizeTags(tags: string | readonly string[], { caseSensitive = false, keepOrder = false }: TagStyle = {}): string[] {
  const list = splitTags(typeof tags === "string" ? tags : tags.join(";"));
  const unique = [...new Set(caseSensitive ? list : list.map((tag) => tag.toLowerCase()))];
  return keepOrder ? unique : unique.sort();
}

export function formatTags(tags: readonly string[]): string {
  return tags.join(";");
}
