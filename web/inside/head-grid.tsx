import type { TargetedKeyboardEvent } from "preact";
import { arrowTarget } from "./arrow-keys.ts";
import { HeadThumbnail } from "./head-thumbnail.tsx";
import { head, layer, type Seen } from "./state.ts";
import { text } from "./text.ts";

/** All heads, a row a layer, of which one is chosen. */
export function HeadGrid({ seen }: { seen: Seen }) {
  const { L, NH } = seen;
  const t = text().attention;
  const chosen = layer.value * NH + head.value;
  const choose = (index: number) => {
    layer.value = Math.floor(index / NH);
    head.value = index % NH;
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const target = arrowTarget(event.key, chosen, L * NH, NH);
    if (target === undefined) return;
    event.preventDefault();
    choose(target);
    event.currentTarget.querySelectorAll("button")[target].focus();
  };
  return (
    <div class="head-grid" role="radiogroup" aria-label={t.heads} onKeyDown={onKeyDown}>
      {Array.from({ length: L * NH }, (_, index) => {
        const name = t.head(Math.floor(index / NH) + 1, (index % NH) + 1);
        return (
          // biome-ignore lint/a11y/useSemanticElements: a picture is chosen, and arrows move in both directions.
          <button
            key={name}
            type="button"
            role="radio"
            aria-checked={index === chosen}
            aria-label={name}
            title={name}
            tabIndex={index === chosen ? 0 : -1}
            onClick={() => choose(index)}
          >
            <HeadThumbnail inspection={seen} layer={Math.floor(index / NH)} head={index % NH} />
          </button>
        );
      })}
    </div>
  );
}
