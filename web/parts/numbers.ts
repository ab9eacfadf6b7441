/** Numbers formatted in the page's language. */
import { language, locales } from "../language.ts";

/** Cache: creating a formatter takes a hundred times as long as using it. */
const formats = new Map<string, Intl.NumberFormat>();

function format(value: number, options: Intl.NumberFormatOptions): string {
  const locale = locales[language.value];
  const key = locale + JSON.stringify(options);
  const known = formats.get(key) ?? new Intl.NumberFormat(locale, options);
  formats.set(key, known);
  return known.format(value);
}

/** 124,475,904 */
export function grouped(value: number): string {
  return format(value, { maximumFractionDigits: 0 });
}

/** 0.001, 1,000: any value of a field. */
export function number(value: number): string {
  return format(value, { maximumSignificantDigits: 15 });
}

/** 124M, or 1.2亿 */
export function short(value: number): string {
  return format(value, { notation: "compact", maximumSignificantDigits: 3 });
}

export function fixed(value: number, digits: number): string {
  return format(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The same; a dash for undefined, NaN and infinite values. */
export function fixedOr(value: number | undefined, digits: number): string {
  return value === undefined || !Number.isFinite(value) ? "–" : fixed(value, digits);
}

export function percent(share: number, digits = 0): string {
  return format(share, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** 493 bytes, 1.5 GB: in powers of 1000 */
export function bytes(value: number): string {
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  // In English the short form of a byte has no plural.
  const unitDisplay = power === 0 ? "long" : "short";
  return format(value / 1000 ** power, { style: "unit", unit: units[power], unitDisplay, maximumSignificantDigits: 3 });
}

/** 12.3 ms, 1,230 ms */
export function milliseconds(ms: number): string {
  return format(ms, { style: "unit", unit: "millisecond", maximumSignificantDigits: 3 });
}

/** 2 min 5 s: the two largest units. */
export function duration(ms: number): string {
  const unit = (value: number, name: string) => format(value, { style: "unit", unit: name, unitDisplay: "narrow" });
  const seconds = Math.round(ms / 1000);
  if (ms < 1000) return unit(Math.round(ms), "millisecond");
  if (seconds < 60) return unit(seconds, "second");
  if (seconds < 3600) return `${unit(Math.floor(seconds / 60), "minute")} ${unit(seconds % 60, "second")}`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${unit(Math.floor(minutes / 60), "hour")} ${unit(minutes % 60, "minute")}`;
  const hours = Math.round(minutes / 60);
  return `${unit(Math.floor(hours / 24), "day")} ${unit(hours % 24, "hour")}`;
}
