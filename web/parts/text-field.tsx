import { Field } from "./field.tsx";

/** A few lines of text for a model; Ctrl or Cmd with Enter acts on them. */
export function TextField({
  label,
  hint,
  value,
  disabled = false,
  onInput,
  onEnter,
}: {
  label: string;
  hint: string;
  value: string;
  disabled?: boolean;
  onInput: (value: string) => void;
  onEnter: () => void;
}) {
  return (
    <Field label={label} hint={hint}>
      {(attributes) => (
        <textarea
          {...attributes}
          class="mono"
          rows={2}
          spellcheck={false}
          disabled={disabled}
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            onEnter();
          }}
        />
      )}
    </Field>
  );
}
