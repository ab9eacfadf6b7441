import { type Signal, useSignal } from "@preact/signals";
import type { RunStatus, RunSummary } from "../../src/runs/read-run.ts";
import { Card } from "../parts/card.tsx";
import { grouped, short } from "../parts/numbers.ts";
import { hashOf } from "../route.ts";
import { Message } from "../store/failure-notice.tsx";
import { loss, none, when } from "./format.ts";
import { keyOf, type RunKey } from "./selection.ts";
import { columns, filterAndSort, newestFirst, type Sorting, sortedBy } from "./sorting.ts";
import type { SourceName } from "./source.ts";
import { colourOf, folder, lists, selection, toggle } from "./state.ts";
import { Swatch } from "./swatch.tsx";
import { text } from "./text.ts";

/** The runs of the server's folder and those in this browser. */
export function RunLists() {
  const t = text();
  const words = useSignal("");
  const sorting = useSignal<Sorting>(newestFirst);
  const isServed = typeof folder.value === "string";
  const disk = lists.disk.value ?? [];
  const tab = lists.tab.value ?? [];
  // Show nothing until the lists are loaded.
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

/** The runs of one source. */
function RunTable({
  source,
  title,
  runs,
  words,
  sorting,
}: {
  source: SourceName;
  title: string;
  runs: readonly RunSummary[];
  /** The filter: a run must contain all of these words. */
  words: string;
  sorting: Signal<Sorting>;
}) {
  const t = text();
  const { by, descending } = sorting.value;
  const shown = filterAndSort(runs, words, sorting.value);
  return (
    <section aria-label={t.listLabel(title)} class="run-list">
      <h3>{title}</h3>
      {shown.length === 0 ? (
        <p class="hint">{t.noneMatch}</p>
      ) : (
        <div class="run-scroll">
          <table class="run-table">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th
                    key={column}
                    scope="col"
                    class={column}
                    aria-sort={column === by ? (descending ? "descending" : "ascending") : undefined}
                  >
                    <button
                      type="button"
                      class="quiet sort"
                      onClick={() => {
                        sorting.value = sortedBy(sorting.value, column);
                      }}
                    >
                      {t.columns[column]}
                    </button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map((run) => (
                <RunRow key={run.folder} run={run} id={keyOf(source, run.folder)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function RunRow({ run, id }: { run: RunSummary; id: RunKey }) {
  const t = text();
  const { folder, status, model, adapter, parameters, reason, created, tokensPerSecond } = run;
  const isSelected = selection.value.includes(id);
  const about = [model, adapter && `LoRA ${adapter.rank}`, parameters !== undefined && t.parameters(short(parameters))]
    .filter(Boolean)
    .join(" · ");
  const head = (
    <>
      <th scope="row" class="folder">
        <div class="run-title">
          <input
            type="checkbox"
            aria-label={t.show(folder)}
            checked={isSelected}
            disabled={status === "unreadable"}
            onChange={() => toggle(id)}
          />
          <Swatch colour={isSelected ? colourOf(id) : undefined} />
          <div>
            {status === "unreadable" ? <b>{folder}</b> : <NameLink name={folder} id={id} />}
            {about !== "" && <small>{about}</small>}
          </div>
        </div>
      </th>
      <td class="status">
        <Status status={status} />
      </td>
    </>
  );
  if (status === "unreadable")
    return (
      <tr class="unreadable">
        {head}
        <td colSpan={6} class="reason">
          <Message>{reason ?? ""}</Message>
        </td>
      </tr>
    );
  return (
    <tr class={isSelected ? "selected" : ""}>
      {head}
      <td class="step">
        <Progress run={run} />
      </td>
      <td class="loss">{loss(run.loss)}</td>
      <td class="valLoss">{loss(run.valLoss)}</td>
      <td class="bestValLoss">{loss(run.bestValLoss)}</td>
      <td class="tokensPerSecond">{tokensPerSecond === undefined ? none : short(tokensPerSecond)}</td>
      <td class="created">
        <time dateTime={created} title={created}>
          {when(created)}
        </time>
      </td>
    </tr>
  );
}

function NameLink({ name, id }: { name: string; id: RunKey }) {
  return (
    <a href={hashOf("runs", id)} title={text().only(name)}>
      {name}
    </a>
  );
}

function Status({ status }: { status: RunStatus }) {
  return (
    <span class={`run-status ${status.replace(" ", "-")}`}>
      <i aria-hidden="true" />
      {text().status[status]}
    </span>
  );
}

function Progress({ run: { folder, step = 0, steps } }: { run: RunSummary }) {
  const t = text();
  if (steps === undefined || steps <= 0) return <>{grouped(step)}</>;
  return (
    <>
      {t.of(grouped(step), grouped(steps))}
      <progress aria-label={t.progress(folder)} value={Math.min(step, steps)} max={steps} />
    </>
  );
}
