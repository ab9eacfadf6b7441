import type { Quantity } from "../../src/runs/read-run.ts";
import { shownRuns, valuesAt } from "./drawing.ts";
import { written, xOf } from "./format.ts";
import { colourOf, xKind } from "./state.ts";
import { Swatch } from "./swatch.tsx";
import { text } from "./text.ts";

/** The values of all runs at an x, beside the cursor. */
export function ChartTip({ quantity, x }: { quantity: Quantity; x: number }) {
  const t = text();
  const rows = shownRuns().map((shown) => ({ run: shown.run, values: valuesAt(shown, quantity, x) }));
  const kinds = (["raw", "smoothed", "val"] as const).filter((kind) =>
    rows.some(({ values }) => values[kind] !== undefined),
  );
  return (
    <table>
      <thead>
        <tr>
          <th>{t.at[xKind.value](xOf(xKind.value, xKind.value === "updates" ? Math.round(x) : x))}</th>
          {kinds.map((kind) => (
            <td key={kind}>{quantity === "loss" || kind !== "raw" ? t.key[kind] : ""}</td>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ run, values }) => (
          <tr key={run.key}>
            <th>
              <Swatch colour={colourOf(run.key)} />
              {run.name}
            </th>
            {kinds.map((kind) => (
              <td key={kind}>{written(quantity, values[kind])}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
