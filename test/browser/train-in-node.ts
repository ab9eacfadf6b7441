/**
 * The tab's training run, in Node: `node --conditions=source train-in-node.ts FOLDER OPTIONS CHOICE` trains on the bundled
 * text with the engine's options and a choice (JSON), leaves the run in FOLDER, and prints its events.
 */
import type { TrainEvent } from "../../src/train/events.ts";
import { StudioEngine } from "../../web/engine/engine.ts";
import type { EngineUpdate } from "../../web/engine/protocol.ts";

const [folder = "", options = "{}", choice = "{}"] = process.argv.slice(2);
const engine = new StudioEngine(folder);
await engine.configure(JSON.parse(options));
const events: TrainEvent[] = [];
await new Promise<void>((resolve, reject) => {
  const take = (update: EngineUpdate) => {
    events.push(...update.events);
    if (update.state?.phase === "done") resolve();
    if (update.state?.phase === "failed") reject(new Error(update.state.message));
  };
  engine
    .subscribe(take)
    .then(() => engine.prepare({ kind: "shakespeare", tokenizer: "char" }))
    .then(() => engine.start(JSON.parse(choice)))
    .catch(reject);
});
await engine.dispose();
console.log(JSON.stringify(events));
