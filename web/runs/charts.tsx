import { Card } from "../parts/card.tsx";
import { Icon } from "../parts/icon.tsx";
import { Notice } from "../parts/notice.tsx";
import { ChartControls } from "./chart-controls.tsx";
import { RunChart } from "./run-chart.tsx";
import { colourOf, selectedRuns, toggle, xKind } from "./state.ts";
import { Swatch } from "./swatch.tsx";
import { text } from "./text.ts";

/** The curves of the selected runs: the loss large, the others small. */
export function Charts() {
  const t = text();
  return (
    <>
      <Card title={t.quantities.loss} tools={<Chips />}>
        <ChartControls />
        <UnknownX />
        <RunChart quantity="loss" />
        <p class="hint">
          {t.lossKey} {t.zoomHint}
        </p>
      </Card>
      <div class="runs-small">
        {(["lr", "norm", "tokensPerSecond"] as const).map((quantity) => (
          <Card key={quantity} title={t.quantities[quantity]}>
            <RunChart quantity={quantity} />
          </Card>
        ))}
      </div>
    </>
  );
}

/** The runs that cannot be drawn over such an x. */
function UnknownX() {
  const unknown = selectedRuns.value.filter(({ detail, data }) => detail.value && data && !data.axis(xKind.value));
  if (unknown.length === 0) return null;
  return <Notice kind="warn">{text().unknownX(unknown.map(({ name }) => name).join(", "))}</Notice>;
}

/** Which colour is which run. */
function Chips() {
  const t = text();
  return (
    <ul class="chips" aria-label={t.selected}>
      {selectedRuns.value.map(({ key, name }) => (
        <li key={key}>
          <Swatch colour={colourOf(key)} />
          <span>{name}</span>
          <button type="button" class="quiet" aria-label={t.remove(name)} onClick={() => toggle(key)}>
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}
