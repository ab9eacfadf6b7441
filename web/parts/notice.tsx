import type { ComponentChildren } from "preact";
import { Icon } from "./icon.tsx";

/** A message. Screen readers read errors (`bad`) at once, others when idle. */
export function Notice({ kind = "info", children }: { kind?: "info" | "warn" | "bad"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
      <Icon name={kind === "info" ? "info" : "warning"} />
      <div>{children}</div>
    </div>
  );
}
