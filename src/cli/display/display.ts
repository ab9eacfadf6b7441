import { alone, type Rank } from "../../group/group.ts";
import { type TrainEvent, toJsonLine } from "../../train/events.ts";
import { say } from "../output.ts";
import { memoryText, sampleText } from "./text.ts";
import type { RunStart, TrainDisplay } from "./train-display.ts";

/** The display that fits where standard output goes, in a member of a group: rank 0 speaks for all. */
export async function createDisplay(json: boolean, { rank, size }: Rank = alone): Promise<TrainDisplay> {
  if (rank > 0) return silent;
  if (json) return jsonLines();
  // A launcher passes lines on, and no terminal's size; Open MPI's seems to be one all the same.
  const isTerminal = size === 1 && process.stdout.isTTY && process.stderr.isTTY && process.env.TERM !== "dumb";
  if (!isTerminal) return llmcLines();
  return new (await import("./terminal.ts")).TerminalDisplay();
}

const silent: TrainDisplay = { remark: () => {}, progress: () => {}, start: () => {}, event: () => {}, end: () => {} };

/** The lines of llm.c's train_gpt2.c, for output that is no terminal: scripts made for it keep working. */
function llmcLines(): TrainDisplay {
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  return {
    remark: say,
    progress: () => {},
    start(run) {
      for (const line of header(run)) print(line);
      say(run.device);
      say(`memory: ${memoryText(run.memory)}`);
    },
    event(event) {
      const text = lineOf(event);
      if (text !== undefined) print(text);
      if (event.type === "val" && event.bitsPerByte !== undefined)
        say(`validation: ${event.bitsPerByte.toFixed(6)} bits per byte`);
      else if (event.type === "checkpoint") say(`saved ${event.path}`);
    },
    end(next = []) {
      for (const line of next) say(line);
    },
  };
}

function header({ config, parameters, activations, trainBatches, valBatches }: RunStart): string[] {
  return [
    "[GPT-2]",
    `max_seq_len: ${config.maxT}`,
    `vocab_size: ${config.V}`,
    `padded_vocab_size: ${config.Vp}`,
    `num_layers: ${config.L}`,
    `num_heads: ${config.NH}`,
    `channels: ${config.C}`,
    `num_parameters: ${parameters}`,
    `train dataset num_batches: ${trainBatches}`,
    `val dataset num_batches: ${valBatches}`,
    `num_activations: ${activations}`,
  ];
}

function lineOf(event: TrainEvent): string | undefined {
  switch (event.type) {
    case "step":
      return `step ${event.step}: train loss ${event.loss.toFixed(6)} (took ${event.ms.toFixed(6)} ms)`;
    case "val":
      return `val loss ${event.loss.toFixed(6)}`;
    case "sample":
      return `generating:\n---\n${sampleText(event)}\n---`;
    default:
      return undefined;
  }
}

/** One JSON object a line on standard output, nothing else: for programs. Remarks go to standard error. */
function jsonLines(): TrainDisplay {
  return {
    remark: say,
    progress: () => {},
    start: () => {},
    event: (event) => void process.stdout.write(toJsonLine(event)),
    end: () => {},
  };
}
