import { toJsonLine } from "../../train/events.ts";
import { say } from "../output.ts";
import type { TrainDisplay } from "./display.ts";

/** One JSON object a line on standard output, nothing else: for programs. Remarks go to standard error. */
export function jsonLines(): TrainDisplay {
  return {
    remark: say,
    progress: () => {},
    start: () => {},
    event: (event) => void process.stdout.write(toJsonLine(event)),
    end: () => {},
  };
}
