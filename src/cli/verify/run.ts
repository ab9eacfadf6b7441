import { platform } from "#platform";
import { GPT2 } from "../../api/gpt2.ts";
import type { Blas } from "../../backend/backend.ts";
import { type DebugState, readDebugState } from "../../format/state.ts";
import { type Comparison, type VerifyEvent, verify } from "../../verify/verify.ts";
import { paintFor } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { type BackendFlags, backendOptions } from "../options/backend.ts";
import { modelPath } from "../options/model.ts";

/** The options of `llm-ts verify`. */
export interface VerifyFlags extends BackendFlags {
  readonly model: string;
  readonly state: string;
  readonly losses?: readonly number[];
  readonly json?: boolean;
}

/** Checks a model against a debug state; exit code 1 where a difference is too large. */
export async function runVerify(flags: VerifyFlags): Promise<void> {
  const interrupt = new Interrupt();
  const source = await platform.openSource(flags.state);
  try {
    const model = await GPT2.load(await modelPath(flags.model), backendOptions(flags));
    try {
      const state = await readDebugState(source, model.config);
      const report = flags.json ? jsonReport(model.backend.blas) : textReport(state, model.backend.description);
      for await (const event of verify(model.backend, model.parameters, state, flags.losses)) {
        report(event);
        if (event.type === "done" && !event.okay) process.exitCode = 1;
      }
    } finally {
      await model.dispose();
    }
  } finally {
    await source.close();
    interrupt.dispose();
  }
}

export type Report = (event: VerifyEvent) => void;

const nameWidth = 12;

/** A line for everything that was compared, and llm.c's last lines. */
function textReport({ B, T }: DebugState, device: string): Report {
  const { bold, dim, green, red } = paintFor(process.stdout);
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  const verdict = (okay: boolean) => (okay ? green("OK    ") : red("NOT OK"));
  const compared = (name: string, { maxDiff, maxAbs, bound, okay }: Comparison) => {
    const columns = [maxDiff.toExponential(2), bound.toExponential(2), maxAbs.toPrecision(4)];
    print(`${verdict(okay)}  ${name.padEnd(nameWidth)}${columns.map((text) => text.padStart(14)).join("")}`);
  };
  print(`[State]\nbatch_size: ${B}\nseq_len: ${T}`);
  process.stderr.write(`${dim(device)}\n`);
  print(dim(`${" ".repeat(8 + nameWidth)}${["max diff", "allowed", "largest"].map((t) => t.padStart(14)).join("")}`));
  return (event) => {
    switch (event.type) {
      case "logits":
        compared("logits", event);
        break;
      case "loss":
        compared("loss", event);
        break;
      case "gradient":
        compared(`d${event.name}`, event);
        break;
      case "step": {
        const { step, loss, expected, okay, ms } = event;
        const wanted = expected === undefined ? "" : ` expected ${expected.toFixed(6)}, OK = ${okay ? 1 : 0}`;
        print(`step ${step}: loss ${loss.toFixed(6)} (took ${ms.toFixed(6)} ms)${wanted}`);
        break;
      }
      case "done":
        print(bold(`overall okay: ${event.okay ? 1 : 0}`));
    }
  };
}

/** One JSON object at the end, which names the BLAS where one computed. */
function jsonReport(blas?: Blas): Report {
  let logitsMaxDiff = 0;
  let loss = { loss: 0, lossDiff: 0 };
  const gradients: Record<string, Pick<Comparison, "maxDiff" | "maxAbs">> = {};
  const losses: number[] = [];
  return (event) => {
    if (event.type === "logits") logitsMaxDiff = event.maxDiff;
    else if (event.type === "loss") loss = { loss: event.loss, lossDiff: event.maxDiff };
    else if (event.type === "gradient") gradients[event.name] = { maxDiff: event.maxDiff, maxAbs: event.maxAbs };
    else if (event.type === "step") losses.push(event.loss);
    else
      process.stdout.write(
        `${JSON.stringify({ logitsMaxDiff, ...loss, gradients, losses, okay: event.okay, blas })}\n`,
      );
  };
}
