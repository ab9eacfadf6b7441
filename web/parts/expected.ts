import type { NumberRule } from "../../src/train/setting-rules.ts";
import { texts } from "../language.ts";
import { number } from "./numbers.ts";

/** Error of a field whose value is not allowed, in the page's language. */
export const expected = texts({
  en: ({ kind, min, max }: NumberRule) =>
    `Expected ${kind === "whole" ? "a whole number" : "a number"}${
      max === undefined ? ` of at least ${number(min)}` : ` from ${number(min)} to ${number(max)}`
    }.`,
  zh: ({ kind, min, max }: NumberRule) =>
    `请输入${max === undefined ? `不小于 ${number(min)} ` : ` ${number(min)} 到 ${number(max)} 之间`}的${kind === "whole" ? "整数" : "数"}。`,
});
