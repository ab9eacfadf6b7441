import type { ComponentChildren } from "preact";
import { text } from "./text.ts";

/** A row for each place between the layers, 0 to `last`; `head` and `row` are the cells behind the row's name. */
export function LensTable({
  caption,
  last,
  head,
  row,
}: {
  caption: string;
  last: number;
  head: ComponentChildren;
  row: (layer: number) => ComponentChildren;
}) {
  const t = text().layers;
  return (
    <table class="lens-table">
      <caption class="hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{t.layer}</th>
          {head}
        </tr>
      </thead>
      <tbody>
        {Array.from({ length: last + 1 }, (_, l) => (
          <tr key={l}>
            <th scope="row">{t.row(l, last)}</th>
            {row(l)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
