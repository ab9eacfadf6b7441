import type { Signal } from "@preact/signals";
import type { TargetedKeyboardEvent } from "preact";
import { arrowTarget } from "./arrow-keys.ts";

/** A token as it is shown. */
export interface ShownToken {
  readonly label: string;
  /** What is read out of it, and shown as a tip. */
  readonly about: string;
  /** Its shade, 0 to 1. */
  readonly strength: number;
}

/** Tokens of a text, shaded. One is selected: clicks and arrow keys choose another. */
export function TokenStrip({
  label,
  tokens,
  position,
}: {
  label: string;
  tokens: readonly ShownToken[];
  position: Signal<number>;
}) {
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const target = arrowTarget(event.key, position.value, tokens.length);
    if (target === undefined) return;
    event.preventDefault();
    position.value = target;
    event.currentTarget.querySelectorAll("button")[target].focus();
  };
  return (
    <div class="token-strip" role="radiogroup" aria-label={label} onKeyDown={onKeyDown}>
      {tokens.map((token, i) => (
        // biome-ignore lint/a11y/useSemanticElements: tokens wrap like a text, and one of them is always selected.
        <button
          key={i}
          type="button"
          role="radio"
          class="token"
          aria-checked={i === position.value}
          aria-label={token.about}
          title={token.about}
          tabIndex={i === position.value ? 0 : -1}
          style={{ "--strength": token.strength }}
          onClick={() => {
            position.value = i;
          }}
        >
          {token.label}
        </button>
      ))}
    </div>
  );
}
