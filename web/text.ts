import { texts } from "./language.ts";

/** Texts of the page's frame. Each view has its own beside it. */
export const text = texts({
  en: {
    skip: "Skip to the main part",
    studio: "studio",
    views: { train: "Train", runs: "Runs", inside: "Look inside", learn: "Learn" },
    viewsLabel: "Views",
    otherLanguage: "中文",
    otherLanguageLabel: "切换到中文",
    theme: { auto: "as the system", light: "light", dark: "dark" },
    themeLabel: (now: string) => `Theme: ${now}. Change`,
  },
  zh: {
    skip: "跳到主要内容",
    studio: "工作室",
    views: { train: "训练", runs: "训练记录", inside: "看看内部", learn: "学习" },
    viewsLabel: "视图",
    otherLanguage: "English",
    otherLanguageLabel: "Switch to English",
    theme: { auto: "跟随系统", light: "浅色", dark: "深色" },
    themeLabel: (now: string) => `配色：${now}。点击切换`,
  },
});
