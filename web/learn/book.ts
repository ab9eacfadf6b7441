/** The chapters of docs/learn, loaded when they are read. */
import type { Language } from "../language.ts";

export interface Chapter {
  readonly title: string;
  /** Rendered when the page was built. */
  readonly html: string;
}

const files: Record<Language, Record<string, () => Promise<Chapter>>> = {
  en: import.meta.glob<Chapter>("../../docs/learn/[0-9]*.md"),
  zh: import.meta.glob<Chapter>("../../docs/learn/zh/[0-9]*.md"),
};

const titles: Record<Language, Record<string, string>> = {
  en: import.meta.glob<string>("../../docs/learn/[0-9]*.md", { query: "?title", import: "default", eager: true }),
  zh: import.meta.glob<string>("../../docs/learn/zh/[0-9]*.md", { query: "?title", import: "default", eager: true }),
};

/** Ids of all chapters in order: "06-attention". */
export const chapterIds: readonly string[] = Object.keys(files.en)
  .map((path) => path.replace(/^.*\/|\.md$/g, ""))
  .sort();

export function chapterTitle(id: string, language: Language): string {
  return ofChapter(titles[language], id);
}

export function loadChapter(id: string, language: Language): Promise<Chapter> {
  return ofChapter(files[language], id)();
}

function ofChapter<T>(byPath: Record<string, T>, id: string): T {
  const [, value] = Object.entries(byPath).find(([path]) => path.endsWith(`/${id}.md`)) ?? [];
  if (value === undefined) throw new RangeError(`there is no chapter ${id}`);
  return value;
}
