/** Numbers of runs as text. */
import type { Quantity } from "../../src/runs/read-run.ts";
import { language, locales } from "../language.ts";
import { duration, fixed, fixedOr, grouped, short } from "../parts/numbers.ts";
import type { XKind } from "./run-data.ts";

export const none = "–";

export function loss(value: number | undefined): string {
  return fixedOr(value, 4);
}

/** A value of a quantity; `isTick`: with fewer digits, for an axis. */
export function written(quantity: Quantity, value: number | undefined, isTick = false): string {
  if (value === undefined || Number.isNaN(value)) return none;
  if (quantity === "loss") return isTick ? short(value) : loss(value);
  if (quantity === "learningRate") return value === 0 ? "0" : Number(value.toPrecision(3)).toExponential();
  if (quantity === "norm") return isTick ? short(value) : fixed(value, 3);
  return short(value);
}

export function xOf(kind: XKind, value: number): string {
  if (kind === "time") return duration(1000 * value);
  return kind === "tokens" ? short(value) : grouped(value);
}

/** The time of a run's start, with the date unless it is today. */
export function when(created: string | undefined): string {
  const date = new Date(created ?? "");
  if (Number.isNaN(date.getTime())) return none;
  const isToday = date.toDateString() === new Date().toDateString();
  const options: Intl.DateTimeFormatOptions = isToday
    ? { hour: "2-digit", minute: "2-digit" }
    : { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return date.toLocaleString(locales[language.value], options);
}
