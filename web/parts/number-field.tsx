import { useSignal } from "@preact/signals";
import { Field } from "./field.tsx";

/** A number that is typed. `onChange` is told every number that can be read; what else is typed stays as it is, in red. */
export function NumberField({
  label,
  hint,
  error,
  value,
  min,
  max,
  step = "any",
  disabled,
  onChange,
}: {
  label: string;
  hint?: string;
  error?: string;
  value: number;
  min?: number;
  max?: number;
  step?: number | "any";
  disabled?: boolean;
  onChange: (value: number) => void;
}) {
  const typed = useSignal<string>();
  const input = (text: string) => {
    const number = Number(text);
    const isRead = text.trim() !== "" && Number.isFinite(number);
    typed.value = isRead ? undefined : text;
    if (isRead) onChange(number);
  };
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <input
          {...attributes}
          type="number"
          inputMode="decimal"
          aria-invalid={typed.value === undefined ? attributes["aria-invalid"] : "true"}
          value={typed.value ?? value}
          min={min}
          max={max}
          step={step}
          disabled={disabled}
          onInput={(event) => input(event.currentTarget.value)}
          onBlur={() => {
            typed.value = undefined;
          }}
        />
      )}
    </Field>
  );
}
