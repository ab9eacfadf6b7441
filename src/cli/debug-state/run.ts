import { GPT2 } from "../../api/gpt2.ts";
import { TokenLoader } from "../../data/loader.ts";
import { UsageError } from "../../errors.ts";
import type { HeaderlessType } from "../../format/headerless.ts";
import { identify } from "../../format/identify.ts";
import { save } from "../../format/save.ts";
import { requireArchitecture, writeDebugState } from "../../format/state.ts";
import { computeDebugState } from "../../verify/debug-state.ts";
import { ProgressLine } from "../display/progress-line.ts";
import { Interrupt } from "../interrupt.ts";
import { requireTokens } from "../options/data.ts";
import { modelPath } from "../options/model.ts";
import { requireReplaceable } from "../replaceable.ts";

/** The options of `llm-ts debug-state`. */
export interface DebugStateFlags {
  readonly model: string;
  readonly train: string;
  readonly batch: number;
  readonly block: number;
  readonly out: string;
  readonly headerless?: boolean | HeaderlessType;
}

/** Computes a debug state by the reference backend, and writes it. */
export async function debugState({ batch: B, block: T, ...flags }: DebugStateFlags): Promise<void> {
  await requireReplaceable(flags.out, "debug state", async (source) => (await identify(source)) === "state");
  const progress = new ProgressLine("computing logits and gradients");
  const interrupt = new Interrupt(() => progress.end());
  let loss = Number.NaN;
  const model = await GPT2.load(await modelPath(flags.model), { backend: "reference" });
  try {
    const { backend, parameters, config } = model;
    requireArchitecture(flags.model, config);
    if (T > config.maxT)
      throw new UsageError(
        `--block ${T} is longer than the model's ${config.maxT} positions. Choose ${config.maxT} or less.`,
      );
    if (!flags.headerless) await requireTokens(flags.train);
    const loader = await TokenLoader.open(flags.train, {
      B,
      T,
      V: config.V,
      headerless: flags.headerless,
      masked: false,
    });
    const { inputs: x, targets: y } = await loader.next();
    await loader.close();
    await save(flags.out, (sink) =>
      computeDebugState(
        backend,
        parameters,
        { B, T, x, y },
        (content) => {
          ({ loss } = content);
          return writeDebugState(sink, config, content);
        },
        (share) => progress.update(share),
      ),
    );
  } finally {
    progress.end();
    await model.dispose();
    interrupt.dispose();
  }
  process.stdout.write(`loss ${loss.toFixed(6)}\n`);
  process.stderr.write(`wrote ${flags.out}\n`);
}
