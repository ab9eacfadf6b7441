import type { RunStatus, RunSummary } from "../../src/runs/read-run.ts";
import { grouped, short } from "../parts/numbers.ts";
import { hashOf } from "../route.ts";
import { Message } from "../store/message.tsx";
import { loss, none, when } from "./format.ts";
import type { RunKey } from "./selection.ts";
import { colourOf, selection, toggle } from "./state.ts";
import { Swatch } from "./swatch.tsx";
import { text } from "./text.ts";

export function RunRow({ run, id }: { run: RunSummary; id: RunKey }) {
  const t = text();
  const { folder, status, model, parameters, reason, created, tokensPerSecond } = run;
  const isSelected = selection.value.includes(id);
  const about = [model, parameters !== undefined && t.parameters(short(parameters))].filter(Boolean).join(" · ");
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
