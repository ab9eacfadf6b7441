import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** A label, a control, and a hint or an error. */
export function Field({
  label,
  hint,
  error,
  children,
}: {
  label: string;
  hint?: string;
  error?: string;
  /** The control, with the attributes that link it to its label and message. */
  children: (attributes: ControlAttributes) => ComponentChildren;
}) {
  const id = useId();
  const described = error ?? hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        "aria-describedby": described ? `${id}-about` : undefined,
        "aria-invalid": error ? "true" : undefined,
      })}
      {described && (
        <p id={`${id}-about`} class={error ? "error" : "hint"}>
          {described}
        </p>
      )}
    </div>
  );
}

interface ControlAttributes {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": "true" | undefined;
}
