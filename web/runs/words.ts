/** Charts in words, for those who do not see them. */
import type { Quantity } from "../../src/runs/read-run.ts";
import type { Range } from "../parts/range.ts";
import { shownRuns, valuesAt } from "./drawing.ts";
import { loss, written, xOf } from "./format.ts";
import { xKind } from "./state.ts";
import { text } from "./text.ts";

/** "Loss, from update 0 to update 60. baby-001: from 4.2096 to 2.5995, validation 2.6862, best 2.6862." */
export function labelOf(quantity: Quantity, [from, to]: Range): string {
  const t = text();
  const at = (x: number) => t.at[xKind.value](xOf(xKind.value, x));
  const runs = shownRuns().map(({ run, data }) => {
    const values = data.columns[quantity];
    const [first, last] = [written(quantity, values[0]), written(quantity, values[values.length - 1])];
    const { valLoss } = data.columns;
    const val = quantity === "loss" && valLoss.length > 0;
    const said = [
      t.chartRun(run.name, first, last),
      val && t.chartVal(loss(valLoss[valLoss.length - 1]), loss(data.bestVal)),
    ];
    return `${said.filter(Boolean).join(", ")}.`;
  });
  return [t.chartLabel(t.quantities[quantity], at(from), at(to)), ...runs].join(" ");
}

/** "update 12. baby-001: train 3.1, smoothed 3.2, validation 3.4." */
export function wordsAt(quantity: Quantity, x: number): string {
  const t = text();
  const runs = shownRuns().map((shown) => {
    const values = valuesAt(shown, quantity, x);
    const said = (["raw", "smoothed", "val"] as const).flatMap((kind) =>
      values[kind] === undefined ? [] : `${t.key[kind]} ${written(quantity, values[kind])}`,
    );
    return `${shown.run.name}: ${said.join(", ") || t.noValue}.`;
  });
  return [`${t.at[xKind.value](xOf(xKind.value, x))}.`, ...runs].join(" ");
}
