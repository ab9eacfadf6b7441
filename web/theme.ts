/** Light or dark: the reader's choice, else the system's. */
import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./remember.ts";

export const themes = ["auto", "light", "dark"] as const;

export type Theme = (typeof themes)[number];

export const theme = signal<Theme>(remembered("theme", themes) ?? "auto");

export function setTheme(next: Theme): void {
  theme.value = next;
  remember("theme", next);
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
