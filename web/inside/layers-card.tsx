import { useSignal } from "@preact/signals";
import { Card } from "../parts/card.tsx";
import { Choice } from "../parts/choice.tsx";
import { LayersAround } from "./layers-around.tsx";
import { LayersHere } from "./layers-here.tsx";
import type { Seen } from "./state.ts";
import { text } from "./text.ts";

/** How what the model expects changes from layer to layer. */
export function LayersCard({ seen }: { seen: Seen }) {
  const t = text().layers;
  const view = useSignal<"here" | "around">("here");
  return (
    <Card title={t.title} class="inside-layers">
      <p class="hint">{t.about}</p>
      <Choice label={t.view} values={t.views} value={view.value} onChange={(next) => (view.value = next)} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls where there is no room. */}
      <section class="scroll" tabIndex={0} aria-label={t.captions[view.value]}>
        {view.value === "here" ? <LayersHere seen={seen} /> : <LayersAround seen={seen} />}
      </section>
    </Card>
  );
}
