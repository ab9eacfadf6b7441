import { useSignal } from "@preact/signals";
import type { NumberRule } from "../../src/train/setting-rules.ts";
import { Field } from "./field.tsx";

/**
 * A number that is typed. `onChange` is told all that is typed: NaN for what is no number. Whether that may be is for
 * whoever has the value to say: `error`.
 */
export function NumberField({
  label,
  hint,
  error,
  value,
  rule,
  onChange,
}: {
  label: string;
  hint?: string;
  error?: string;
  value: number;
  /** The range, for the browser's own help with typing. */
  rule: NumberRule;
  onChange: (value: number) => void;
}) {
  const typed = useSignal("");
  // What was typed stays as it is, "1e-3" say, until another value takes its place.
  const isTyped = Object.is(numberOf(typed.value), value);
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <input
          {...attributes}
          type="number"
          inputMode="decimal"
          value={isTyped ? typed.value : String(value)}
          min={rule.min}
          max={rule.max}
          step={rule.kind === "whole" ? 1 : "any"}
          onInput={({ currentTarget }) => {
            typed.value = currentTarget.value;
            onChange(numberOf(currentTarget.value));
          }}
        />
      )}
    </Field>
  );
}

function numberOf(text: string): number {
  return text.trim() === "" ? Number.NaN : Number(text);
}
