/** The page's language: the user's selection, else the browser's. */
import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./remember.ts";

const languages = ["en", "zh"] as const;

export type Language = (typeof languages)[number];

export const language = signal<Language>(
  remembered("language", languages) ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"),
);

/** Names of languages for `lang` attributes and Intl. */
export const locales: Record<Language, string> = { en: "en", zh: "zh-CN" };

export function setLanguage(next: Language): void {
  language.value = next;
  remember("language", next);
}

effect(() => {
  document.documentElement.lang = locales[language.value];
});

/**
 * The texts of a part of the page in all languages. Calling the result gives those of the page's language, and components that
 * call it are rendered again when the language changes.
 */
export function texts<T>(all: { readonly en: T; readonly zh: NoInfer<T> }): () => T {
  return () => all[language.value];
}
