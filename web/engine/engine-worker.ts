/** Entry file of the engine's worker. */
import { expose, transfer } from "comlink";
import { StudioEngine } from "./engine.ts";
import type { LookResult } from "./protocol.ts";

/** The engine, with large arrays transferred instead of copied. */
class WorkerEngine extends StudioEngine {
  override async look(prompt: string, onProgress: (share: number) => void): Promise<LookResult> {
    const result = await super.look(prompt, onProgress);
    return transfer(result, [result.inspection.attention.buffer]);
  }

  override async columns(name: string): Promise<ArrayBuffer> {
    const columns = await super.columns(name);
    return transfer(columns, [columns]);
  }
}

expose(new WorkerEngine("opfs:/"));
