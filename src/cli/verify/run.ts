import { platform } from "#platform";
import { GPT2 } from "../../api/gpt2.ts";
import { readDebugState } from "../../format/state.ts";
import { verify } from "../../verify/verify.ts";
import { Interrupt } from "../interrupt.ts";
import { modelPath } from "../model-path.ts";
import type { VerifyFlags } from "./command.ts";
import { jsonReport, textReport } from "./report.ts";

/** What `llm-ts verify` does. */
export async function runVerify(flags: VerifyFlags): Promise<void> {
  const interrupt = new Interrupt();
  const { backend, threads, revectorize, kernel } = flags;
  const source = await platform.openSource(flags.state);
  try {
    const model = await GPT2.load(await modelPath(flags.model), { backend, threads, revectorize, kernel });
    try {
      const state = await readDebugState(source, model.config);
      const report = flags.json ? jsonReport() : textReport(state, model.backend.description);
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
