import { UsageError } from "../../errors.ts";
import { save, saveText } from "../../format/save.ts";
import { isTrace, traceJson, writeTrace } from "../../verify/trace-file.ts";
import { Interrupt } from "../interrupt.ts";
import { type BatchFlags, firstBatch, traceModel, type UpdateFlags, updateOf } from "../options/trace.ts";
import { say } from "../output.ts";
import { beginsWith, requireReplaceable } from "../replaceable.ts";
import { suggestion } from "../suggest.ts";

/** The options of `llm-ts trace`. */
export interface TraceFlags extends BatchFlags, UpdateFlags {
  readonly model: string;
  readonly data: string;
  readonly out: string;
}

/** Computes a trace by the reference backend, and writes it with its JSON. */
export async function runTrace(flags: TraceFlags): Promise<void> {
  const { model, data, out } = flags;
  const json = out.replace(/\.safetensors$/, ".json");
  if (json === out) throw new UsageError(`--out ${out} is to be a safetensors file: --out ${out}.safetensors`);
  await requireReplaceable(out, "trace", isTrace);
  await requireReplaceable(json, "trace's JSON", (source) => beginsWith(source, '{\n  "config": {'));
  const interrupt = new Interrupt();
  try {
    await traceModel(
      model,
      updateOf(flags),
      (V) => firstBatch(data, V, flags),
      async (trace) => {
        await save(out, (sink) => writeTrace(sink, trace));
        await saveText(json, traceJson(trace));
        const loss = await trace.tensors.find(({ name }) => name === "loss")?.read();
        process.stdout.write(`loss ${loss?.[0].toFixed(6)}\n`);
        say(`wrote ${out}, ${trace.tensors.length} tensors, and ${json}`);
      },
    );
  } finally {
    interrupt.dispose();
  }
  say(`Compare another program's: ${suggestion("verify", "--trace", "THEIRS.safetensors", "--expected", out)}`);
}
