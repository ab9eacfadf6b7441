import { useSignal } from "@preact/signals";
import { Card } from "../parts/card.tsx";
import { hashOf } from "../route.ts";
import { RunTable } from "./run-table.tsx";
import { newestFirst, type Sorting } from "./sorting.ts";
import { folder, lists } from "./state.ts";
import { text } from "./text.ts";

/** The runs of the server's folder and those in this browser, each under its heading. */
export function RunLists() {
  const t = text();
  const words = useSignal("");
  const sorting = useSignal<Sorting>(newestFirst);
  const isServed = typeof folder.value === "string";
  const disk = lists.disk.value ?? [];
  const tab = lists.tab.value ?? [];
  // What is not known yet is not said to be empty.
  const isKnown = folder.value !== undefined && (!isServed || lists.disk.value) && (isServed || lists.tab.value);
  if (!isKnown) return <Card title={t.title}>{null}</Card>;
  if (disk.length + tab.length === 0) return <Empty isServed={isServed} />;
  const shared = { words: words.value, sorting };
  return (
    <Card
      title={t.title}
      class="run-lists"
      tools={
        <input
          type="search"
          class="search"
          aria-label={t.filter}
          placeholder={t.filterHint}
          value={words.value}
          onInput={({ currentTarget }) => {
            words.value = currentTarget.value;
          }}
        />
      }
    >
      {isServed && disk.length > 0 && (
        <RunTable source="disk" title={t.onDisk(folder.value ?? "")} runs={disk} {...shared} />
      )}
      {tab.length > 0 && <RunTable source="tab" title={t.inTab} runs={tab} {...shared} />}
    </Card>
  );
}

function Empty({ isServed }: { isServed: boolean }) {
  const t = text();
  return (
    <Card title={t.title}>
      <div class="empty">
        <p>{t.empty}</p>
        {isServed && (
          <>
            <p>{t.emptyHow}</p>
            <pre>llm-ts train --model baby -o runs/</pre>
          </>
        )}
        <a href={hashOf("train")}>{t.emptyTrain}</a>
      </div>
    </Card>
  );
}
