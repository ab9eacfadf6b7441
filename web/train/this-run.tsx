import { Card } from "../parts/card.tsx";
import { grouped } from "../parts/numbers.ts";
import { data, runInfo } from "../store/state.ts";
import { nameOf } from "./data-facts.tsx";
import { text } from "./live-text.ts";

/** In place of the set-up, which cannot be changed now: what it was. */
export function ThisRun() {
  const t = text().thisRun;
  const info = runInfo.value;
  if (!info) return null;
  const { L, NH, C } = info.model.config;
  const rows: readonly (readonly [string, string])[] = [
    [t.text, data.value ? nameOf(data.value) : info.data],
    [t.tokens, t.tokensOf[info.model.tokenizer ?? "unknown"]],
    [t.model, t.modelOf(L, NH, C)],
    [t.parameters, grouped(info.model.parameters)],
    [t.updates, t.updatesOf(info.steps, info.batch, info.block)],
  ];
  return (
    <Card title={t.title}>
      <dl class="rows">
        {rows.map(([name, value]) => (
          <div key={name} class="row">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">{t.about}</p>
    </Card>
  );
}
