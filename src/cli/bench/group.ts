/** `llm-ts bench --group`, in a member of a group, of which rank 0 prints. */
import { benchGroup, type GroupFigures, groupTable } from "../../bench/group.ts";
import { batchesOf, modelNames } from "../../bench/steps.ts";
import { saveText } from "../../format/save.ts";
import { together } from "../../group/together.ts";
import { startBackend } from "../backend.ts";
import type { Membership } from "../group.ts";
import { Interrupt } from "../interrupt.ts";
import { refuseIdle, type Typed } from "../options/typed.ts";
import { print, say } from "../output.ts";
import { requireReplaceable } from "../replaceable.ts";
import { type BenchFlags, isReport } from "./run.ts";

/** Options that are about other measurements. */
const others = ["profile", "precision", "contention", "against", "svg", "markdownRow"];

export async function runGroupBench(flags: BenchFlags, member: Membership, typed: Typed): Promise<void> {
  const { group } = member;
  await together(group, async () => refuseIdle(typed, others, "--group measures steps and sums alone."));
  const isFirst = group.rank === 0;
  const { model, quick = false, repeats = quick ? 2 : 5, json } = flags;
  if (isFirst && json !== undefined) await requireReplaceable(json, "report of bench", isReport);
  const interrupt = new Interrupt();
  const backend = await startBackend(flags, member);
  try {
    const all: GroupFigures[] = [];
    for (const name of model ? [model] : modelNames) {
      const [batch] = batchesOf(name, true, { B: flags.batchSize, T: flags.sequenceLength });
      if (isFirst) say(`measuring ${name}`);
      const figures = await benchGroup(backend, group, name, batch, repeats);
      all.push(figures);
      if (isFirst) await print(`${groupTable(figures)}\n`);
    }
    if (isFirst && json !== undefined) await saveText(json, `${JSON.stringify(all, null, 2)}\n`);
  } finally {
    await backend.dispose();
    interrupt.dispose();
  }
}
