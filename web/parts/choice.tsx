import { useId } from "preact/hooks";

/** One of a few values: radio buttons that look like a switch. */
export function Choice<T extends string>({
  label,
  values,
  value,
  disabled,
  onChange,
}: {
  label: string;
  /** Each value with what it is called. */
  values: Readonly<Partial<Record<T, string>>>;
  /** Undefined: none of them. */
  value: T | undefined;
  disabled?: boolean;
  onChange: (value: T) => void;
}) {
  const name = useId();
  const entries = Object.entries(values) as [T, string][];
  return (
    <fieldset class="field" disabled={disabled}>
      <legend class="label">{label}</legend>
      <div class="choice">
        {entries.map(([one, text]) => (
          <label key={one}>
            <input type="radio" name={name} checked={one === value} onChange={() => onChange(one)} />
            {text}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
