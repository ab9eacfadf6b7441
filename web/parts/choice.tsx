import { useId } from "preact/hooks";

/** Selects one of a few values: radio buttons styled as a segmented control. */
export function Choice<T extends string>({
  label,
  values,
  value,
  disabled,
  unavailable = [],
  onChange,
}: {
  label: string;
  /** Values and their names. */
  values: Readonly<Partial<Record<T, string>>>;
  /** Undefined: none. */
  value: T | undefined;
  disabled?: boolean;
  /** Values that cannot be selected. */
  unavailable?: readonly T[];
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
            <input
              type="radio"
              name={name}
              checked={one === value}
              disabled={unavailable.includes(one)}
              onChange={() => onChange(one)}
            />
            {text}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
