import { platform } from "#platform";
import { type Precision, precisions } from "../../backend/backend.ts";
import { adapterRow } from "../../bench/adapter-row.ts";
import { type BenchOptions, bench } from "../../bench/bench.ts";
import { parsePeer } from "../../bench/peers/peers.ts";
import { rooflineSvg } from "../../bench/roofline.ts";
import { modelNames } from "../../bench/steps.ts";
import { tablesOf } from "../../bench/table.ts";
import { UsageError } from "../../errors.ts";
import { saveText } from "../../format/save.ts";
import type { ByteSource } from "../../platform/platform.ts";
import { cutToWidth } from "../../plot/text.ts";
import { Interrupt } from "../interrupt.ts";
import type { BackendFlags } from "../options/backend.ts";
import type { GroupFlags } from "../options/group.ts";
import { print } from "../output.ts";
import { requirePicture, requireReplaceable } from "../replaceable.ts";

/** The options of `llm-ts bench`. */
export interface BenchFlags extends BackendFlags, GroupFlags {
  readonly group?: boolean;
  readonly model?: "d12" | "baby";
  readonly batchSize?: number;
  readonly sequenceLength?: number;
  readonly precision?: Precision;
  readonly quick?: boolean;
  readonly repeats?: number;
  readonly profile?: boolean;
  readonly contention?: boolean;
  readonly against?: readonly string[];
  readonly json?: string;
  readonly svg?: string;
  readonly markdownRow?: boolean;
}

/** Measures and prints the tables; `--json` and `--svg` write files. */
export async function runBench(flags: BenchFlags): Promise<void> {
  const interrupt = new Interrupt();
  const { backend, threads, revectorize, kernel, blas, model, quick = false, profile = false, json, svg } = flags;
  if (flags.markdownRow && backend !== "webgpu")
    throw new UsageError("--markdown-row is for GPUs: add --backend webgpu, or leave it out.");
  if (flags.contention && backend === "webgpu")
    throw new UsageError("--contention is about the cores that a CPU shares: leave it out, or --backend webgpu.");
  const options: BenchOptions = {
    backend,
    batch: { B: flags.batchSize, T: flags.sequenceLength },
    threads,
    revectorize,
    kernel,
    blas,
    models: model ? [model] : modelNames,
    precisions: flags.precision === "bf16" ? precisions : ["fp32"],
    quick,
    repeats: flags.repeats ?? (quick ? 2 : 5),
    profile,
    contention: flags.contention ?? false,
    against: (flags.against ?? []).map(parsePeer),
    onProgress: progressOn(process.stderr),
    signal: interrupt.signal,
  };
  // A path that cannot be written, or is another file, fails before minutes have been spent.
  if (json !== undefined) await requireReplaceable(json, "report of bench", isReport);
  if (svg !== undefined) await requirePicture(svg);
  for (const path of [json, svg]) if (path !== undefined) await (await platform.createSink(path)).abort();
  interrupt.finishFirst(() => process.stderr.write("\nstopping after this measurement\n"));
  try {
    const report = await bench(options);
    endLine(process.stderr);
    await print(tablesOf(report));
    if (flags.markdownRow) await print(`${adapterRow(report)}\n`);
    if (json !== undefined) await saveText(json, `${JSON.stringify(report, null, 2)}\n`);
    if (svg !== undefined) await saveText(svg, rooflineSvg(report));
  } catch (error) {
    endLine(process.stderr);
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = interrupt.exitCode;
  } finally {
    interrupt.dispose();
  }
}

/** True for a report of bench: of one process, or of a group's. */
export async function isReport(source: ByteSource): Promise<boolean> {
  const start = new TextDecoder().decode(await source.read(0, Math.min(source.size, 1024)));
  return /^\{\s*"format": "llm-ts bench"|^\[\s*\{[^}]*"processes":/.test(start);
}

/** A line that changes on a terminal; elsewhere a line for every tenth. */
function progressOn(stream: NodeJS.WriteStream): (what: string, share: number) => void {
  let tenth = -1;
  return (what, share) => {
    const line = `${String(Math.floor(100 * share)).padStart(3)}%  ${what}`;
    if (stream.isTTY) stream.write(`\r\x1b[2K${cutToWidth(line, (stream.columns || 80) - 1)}`);
    else if (Math.floor(10 * share) !== tenth) stream.write(`${line}\n`);
    tenth = Math.floor(10 * share);
  };
}

function endLine(stream: NodeJS.WriteStream): void {
  if (stream.isTTY) stream.write("\r\x1b[2K");
}
