import { platform } from "#platform";
import { save } from "../format/save.ts";
import type { TrainerState } from "../train/state.ts";

/** What of a run's log still holds when it goes on from a checkpoint. */
export type KeepLine = (line: string) => boolean;

/** For metrics.jsonl: what came before the checkpoint. A line that a killed process left unfinished goes. */
export function keptMetrics(state: Checkpointed): KeepLine {
  return (line) => {
    try {
      const { event, step } = JSON.parse(line);
      return Number.isSafeInteger(step) && event !== "done" && isBefore(state, event, step);
    } catch {
      return false;
    }
  };
}

/** For llm.c's main.log. */
export function keptLog(state: Checkpointed): KeepLine {
  const kinds: Record<string, string> = { trl: "step", tel: "val", eval: "val" };
  return (line) => {
    const [, step, kind] = /^s:(\d+) (trl|tel|eval):\S+( lr:\S+ norm:\S+)?$/.exec(line) ?? [];
    return step !== undefined && isBefore(state, kinds[kind], Number(step));
  };
}

export type Checkpointed = Pick<TrainerState, "step" | "validatedAt" | "sampledAt">;

/** Whether an event happened before the checkpoint. Of its own step, a step's line is the update that comes next. */
function isBefore({ step: at, validatedAt, sampledAt }: Checkpointed, event: string, step: number): boolean {
  if (step !== at) return step < at;
  if (event === "step") return false;
  if (event === "val") return validatedAt === at;
  return event !== "sample" || sampledAt === at;
}

/** Keeps some lines of a text file, all or none of the change. A file that is missing is no error. */
export async function keepLines(path: string, keep: KeepLine): Promise<void> {
  if ((await platform.pathKind(path)) !== "file") return;
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  let rest = "";
  await save(path, async (sink) => {
    for await (const chunk of await platform.openStream(path)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      const kept = lines.filter(keep).map((line) => `${line}\n`);
      await sink.write(encoder.encode(kept.join("")));
    }
    // Without its end, the last line was never finished.
  });
}
