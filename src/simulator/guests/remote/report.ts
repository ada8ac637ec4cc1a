/** What a migration's worker writes into its log. */
import type { TaskContext } from "../../kernel";
import type { Place } from "../../volumes/calls";
import { logTime } from "../archive";

export class Report {
  private readonly startedMs: number;

  constructor(
    private readonly place: Place,
    private readonly task: TaskContext,
  ) {
    this.startedMs = place.world.clock.nowMs();
  }

  /** A line with its time; a text of several lines becomes several. */
  log(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.task.log(`${logTime(this.place.world.clock.nowMs())} ${line}`);
  }

  error(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.log(`ERROR: ${line}`);
  }

  /** What the tunnel's helper prints of every command. */
  told(command: string): void {
    this.task.log(`tunnel: -> sending command "${command}" to remote`);
    this.task.log("tunnel: <- got reply");
  }

  /** `00:01:07` since the worker began. */
  duration(): string {
    return new Date(this.place.world.clock.nowMs() - this.startedMs).toISOString().slice(11, 19);
  }
}
