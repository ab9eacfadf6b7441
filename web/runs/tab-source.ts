import { decodeColumns } from "../../src/runs/columns.ts";
import { toJsonLine } from "../../src/train/events.ts";
import { engine } from "../engine/client.ts";
import type { EngineUpdate } from "../engine/protocol.ts";
import type { RunSource } from "./source.ts";

/** Interval at which the list is refreshed while a run writes. */
const LIST_MS = 1000;

/** The runs in this tab's storage. */
export const tabSource: RunSource = {
  name: "tab",
  detail: (run) => engine.detail(run),
  columns: async (run) => decodeColumns(await engine.columns(run)),
  listen(listener) {
    let running: string | undefined;
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const list = async () => {
      waiting = undefined;
      // Without storage there are no runs; the Train view says so.
      const runs = await engine.summaries().catch(() => []);
      listener({ type: "runs", runs });
    };
    const onUpdate = ({ state, events }: EngineUpdate) => {
      if (state) {
        running = "run" in state ? state.run?.name : undefined;
        if (running !== undefined) listener({ type: "reset", run: running });
      } else if (running !== undefined && events.length > 0)
        listener({ type: "lines", run: running, lines: events.map((event) => toJsonLine(event).trimEnd()) });
      if (state || events.length > 0) waiting ??= setTimeout(list, LIST_MS);
    };
    void list();
    void engine.subscribe(onUpdate).then(onUpdate, () => {});
    return () => {
      clearTimeout(waiting);
      engine.unsubscribe(onUpdate);
    };
  },
};
