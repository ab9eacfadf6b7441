import { ModelCard } from "./model-card.tsx";
import { text } from "./setup-text.ts";
import { TextCard } from "./text-card.tsx";
import { TokenizerCard } from "./tokenizer-card.tsx";
import { TrainingCard } from "./training-card.tsx";

/** What to train, in four steps. */
export function SetupColumn() {
  return (
    <section class="setup" aria-label={text().column}>
      <TextCard />
      <TokenizerCard />
      <ModelCard />
      <TrainingCard />
    </section>
  );
}
