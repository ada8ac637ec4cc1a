/** Asking on the terminal, or reading the answers from a file given as standard input. */
import { createInterface, type Interface } from "node:readline";
import { UsageError } from "../failure";
import type { CliIo } from "../io";

export interface Question<T = string> {
  text: string;
  /** What an empty answer means. */
  fallback?: string;
  /** From the answer to its value, or a sentence about what is wrong with it. */
  parse?: (answer: string) => { value: T } | { problem: string };
}

/** How often a terminal may answer wrongly before it is taken to be no human being. */
const ATTEMPTS = 5;

export class Questions {
  private readonly lines: AsyncIterator<string>;
  private readonly reader: Interface;

  constructor(private readonly io: CliIo) {
    if (io.stdin === undefined) throw new UsageError("init asks questions, and there is no input to read answers from.");
    this.reader = createInterface({ input: io.stdin, terminal: false });
    this.lines = this.reader[Symbol.asyncIterator]();
  }

  close(): void {
    this.reader.close();
  }

  say(text: string): void {
    this.io.stderr.write(`${text}\n`);
  }

  /** @throws UsageError when the input ends, or no answer will do */
  async ask<T = string>({ text, fallback, parse }: Question<T>): Promise<T> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      this.io.stderr.write(`${text}${fallback === undefined ? "" : ` [${fallback}]`}: `);
      const { value: line, done } = await this.lines.next();
      if (done) throw new UsageError(`the input ended at the question "${text}": nothing was written.`);
      const answer = line.trim() === "" ? (fallback ?? "") : line.trim();
      const parsed = parse ? parse(answer) : answer === "" ? { problem: "an answer is needed" } : { value: answer as T };
      if ("value" in parsed) return parsed.value;
      this.say(`  ${parsed.problem}`);
    }
    throw new UsageError(`no answer to "${text}" could be used: nothing was written.`);
  }

  async confirm(text: string, fallback: boolean): Promise<boolean> {
    return this.ask<boolean>({
      text: `${text} (yes/no)`,
      fallback: fallback ? "yes" : "no",
      parse: (answer) => {
        if (/^y(es)?$/i.test(answer)) return { value: true };
        return /^no?$/i.test(answer) ? { value: false } : { problem: "yes or no" };
      },
    });
  }
}
