import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** A label, what is filled in, and what is to be known about it or is wrong with it. */
export function Field({
  label,
  hint,
  error,
  children,
}: {
  label: string;
  hint?: string;
  error?: string;
  /** Gets the attributes that tie the control to its label and messages. */
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

export interface ControlAttributes {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": "true" | undefined;
}
