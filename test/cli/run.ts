/** One call of `federate` in this process. */
import { runCli } from "../../src/cli/program";

export interface CliResult {
  code: number;
  out: string;
  err: string;
}

export async function federate(argv: string[], environment: Record<string, string | undefined> = {}): Promise<CliResult> {
  const written = { out: "", err: "" };
  const sink = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text;
    },
  });
  const code = await runCli(argv, { stdout: sink("out"), stderr: sink("err"), environment }, "1.2.3");
  return { code, ...written };
}
