import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** A section with a heading, and controls beside it. */
export function Card({
  title,
  tools,
  children,
  class: more = "",
}: {
  title: string;
  tools?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}) {
  const id = useId();
  return (
    <section class={`card ${more}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {tools && <div>{tools}</div>}
      </header>
      {children}
    </section>
  );
}
