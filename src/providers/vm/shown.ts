/** Texts of a preview, of which the engine shows the first 150 characters. Pure. */
const SHOWN_CHARACTERS = 150;

/** `before` and as many items as can be seen with it and `after`; how many more there are is said. */
export function showList(before: string, items: readonly string[], after = ""): string {
  for (let kept = items.length; ; kept--) {
    const more = items.length - kept;
    const listed = [...items.slice(0, kept), ...(more === 0 ? [] : [`${more} ${kept === 0 ? "settings" : "more"}`])].join(", ");
    const text = `${before}${listed}${after}`;
    if (text.length <= SHOWN_CHARACTERS || kept === 0) return text;
  }
}
