import type { ComponentChildren } from "preact";
import { Icon } from "./icon.tsx";

/** Something to be known. What went wrong is read out at once, the rest when there is time. */
export function Notice({ kind = "info", children }: { kind?: "info" | "warn" | "bad"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
      <Icon name={kind === "info" ? "info" : "warning"} />
      <div>{children}</div>
    </div>
  );
}
