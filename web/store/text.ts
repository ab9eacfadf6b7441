import { texts } from "../language.ts";

/** Texts shared by several views. */
export const text = texts({
  en: {
    open: "Open a model",
    openFailed: "This model cannot be opened.",
    bug: "This is a mistake in llm.ts. Please report it with this message:",
    dismiss: "Dismiss",
    inEnglish: "",
    comma: ", ",
  },
  zh: {
    open: "打开模型",
    openFailed: "无法打开这个模型。",
    bug: "这是 llm.ts 的错误，请附上以下信息报告：",
    dismiss: "关闭",
    inEnglish: "（英文信息）",
    comma: "，",
  },
});
