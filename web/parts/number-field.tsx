import { useSignal } from "@preact/signals";
import type { NumberRule } from "../../src/train/setting-rules.ts";
import { Field } from "./field.tsx";

/**
 * A number input. `onChange` gets every change, NaN for text that is not a number; the owner of the value validates it, and
 * passes `error`.
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
  /** Range for the browser's input controls. */
  rule: NumberRule;
  onChange: (value: number) => void;
}) {
  const typed = useSignal("");
  // Keep the typed form, such as "1e-3", until the value changes otherwise.
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
