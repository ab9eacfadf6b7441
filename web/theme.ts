/** Light or dark: the user's selection, else the system's. */
import { computed, effect, signal } from "@preact/signals";
import { remember, remembered } from "./remember.ts";

export const themes = ["auto", "light", "dark"] as const;

export type Theme = (typeof themes)[number];

export const theme = signal<Theme>(remembered("theme", themes) ?? "auto");

const system = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(system.matches);
system.addEventListener("change", () => {
  isSystemDark.value = system.matches;
});

/** Canvases must be redrawn when this changes. */
export const isDark = computed(() => (theme.value === "auto" ? isSystemDark.value : theme.value === "dark"));

export function setTheme(next: Theme): void {
  theme.value = next;
  remember("theme", next);
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
