/** The family of a browser, by which advice differs. */
export type BrowserFamily = "chromium" | "firefox" | "safari" | "other";

export function browserOf(userAgent: string): BrowserFamily {
  // On iPhones and iPads all browsers are Safari inside, and say so.
  if (/\b(CriOS|FxiOS|EdgiOS|OPiOS)\//.test(userAgent)) return "safari";
  if (/\bFirefox\//.test(userAgent)) return "firefox";
  if (/\b(Headless)?Chrom(e|ium)\//.test(userAgent)) return "chromium";
  if (/\bSafari\//.test(userAgent)) return "safari";
  return "other";
}
