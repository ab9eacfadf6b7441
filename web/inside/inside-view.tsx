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
import { seen } from "./state.ts";
import { text } from "./text.ts";
import { TokensCard } from "./tokens-card.tsx";

/** Look inside: what the model that is there makes of a prompt. */
export function InsideView() {
  const there = model.value;

  useEffect(initialize, []);

  // Whoever comes here wants to see something.
  useEffect(() => {
    if (isNew() && there?.tokenizer !== undefined) void look();
  }, [there]);

  if (!there && !seen.value) return <NoModel />;
  return (
    <div class="inside">
      <h1 class="hidden">{text().none.title}</h1>
      <PromptCard />
      {seen.value && (
        <>
          <TokensCard seen={seen.value} />
          <AttentionCard seen={seen.value} />
          <div class="inside-side">
            <NextCard seen={seen.value} />
            <LayersCard seen={seen.value} />
          </div>
        </>
      )}
    </div>
  );
}
