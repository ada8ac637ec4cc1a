/** What arrives on the command line, made usable. Pure. */

/**
 * The guide's commands break lines with a backslash inside quotes, so that a backslash and a line break arrive as part of
 * an argument; some show the command's own name as its first word. Both are meant as a shell would have read them.
 */
export function cleanArguments(argv: readonly string[]): string[] {
  const words = argv.flatMap((argument) => (/\\\r?\n|^\\$/.test(argument) ? argument.split(/\\?\s+|^\\$/).filter(isWord) : [argument]));
  return words[0] === "federate" ? words.slice(1) : words;
}

function isWord(text: string): boolean {
  return text !== "" && text !== "\\";
}
