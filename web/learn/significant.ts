import { language, locales } from "../language.ts";

/** Four significant digits, as a number of a tensor: 0.1234, 1.234e-5, 0. */
export function significant(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString(locales[language.value]);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(3) : value.toPrecision(4);
}
