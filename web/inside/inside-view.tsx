import { useEffect } from "preact/hooks";
import { initialize } from "../store/initialize.ts";
import { model } from "../store/state.ts";
import { AttentionCard } from "./attention-card.tsx";
import "./inside.css";
import { LayersCard } from "./layers-card.tsx";
import { isNew, look } from "./look.ts";
import { NextCard } from "./next-card.tsx";
import { NoModel } from "./no-model.tsx";
import { PromptCard } from "./prompt-card.tsx";
import { inspection } from "./state.ts";
import { text } from "./text.ts";
import { TokensCard } from "./tokens-card.tsx";

/** Look inside: tokens, attention and predictions of the loaded model for a prompt. */
export function InsideView() {
  const loaded = model.value;

  useEffect(initialize, []);

  // A new model is inspected at once.
  useEffect(() => {
    if (isNew() && loaded?.tokenizer !== undefined) void look();
  }, [loaded]);

  if (!loaded && !inspection.value) return <NoModel />;
  return (
    <div class="inside">
      <h1 class="hidden">{text().none.title}</h1>
      <PromptCard />
      {inspection.value && (
        <>
          <TokensCard inspection={inspection.value} />
          <AttentionCard inspection={inspection.value} />
          <div class="inside-side">
            <NextCard inspection={inspection.value} />
            <LayersCard inspection={inspection.value} />
          </div>
        </>
      )}
    </div>
  );
}
