import type { StartPart } from "../../src/backend/entry.ts";
import { texts } from "../language.ts";

/** Words in the names of the parts of a GPU's first start. */
const inChinese: Readonly<Record<string, string>> = {
  ...{ "checking the operations": "检查运算", "compiling the tiles": "编译分块" },
  ...{ forward: "前向", input: "输入的梯度", weight: "权重的梯度" },
  ...{ small: "小矩阵", medium: "中矩阵", large: "大矩阵" },
};

/** Texts shared by several views. */
export const text = texts({
  en: {
    open: "Open a model",
    openFailed: "This model cannot be opened.",
    bug: "This is a mistake in llm.ts. Please report it with this message:",
    dismiss: "Dismiss",
    inEnglish: "",
    comma: ", ",
    part: ({ name, number, of }: StartPart) => ` (${number} of ${of}: ${name})`,
  },
  zh: {
    open: "打开模型",
    openFailed: "无法打开这个模型。",
    bug: "这是 llm.ts 的错误，请附上以下信息报告：",
    dismiss: "关闭",
    inEnglish: "（英文信息）",
    comma: "，",
    part: ({ name, number, of }: StartPart) => {
      const words = name.split(", ").map((word) => inChinese[word] ?? word);
      return `（第 ${number} 项，共 ${of} 项：${words.join("，")}）`;
    },
  },
});
