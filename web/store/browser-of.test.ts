import { expect, test } from "vitest";
import { browserOf } from "./browser-of.ts";

const mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";

test.each([
  [`${mac} ${webkit} Chrome/144.0.0.0 Safari/537.36`, "chromium"],
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webkit} Chrome/144.0.0.0 Safari/537.36 Edg/144.0.0.0`, "chromium"],
  [`Mozilla/5.0 (X11; Linux x86_64) ${webkit} HeadlessChrome/144.0.0.0 Safari/537.36`, "chromium"],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0", "firefox"],
  [`${mac} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15`, "safari"],
  [`${phone} Version/26.0 Mobile/15E148 Safari/604.1`, "safari"],
  [`${phone} CriOS/144.0.0.0 Mobile/15E148 Safari/604.1`, "safari"],
  [`${phone} FxiOS/147.0 Mobile/15E148 Safari/605.1.15`, "safari"],
  ["Lynx/2.9", "other"],
])("%s", (userAgent, family) => expect(browserOf(userAgent)).toBe(family));
