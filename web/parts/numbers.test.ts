import { expect, test, vi } from "vitest";

// numbers.ts sets the page's language.
vi.stubGlobal("document", { documentElement: {} });
const { bytes, number } = await import("./numbers.ts");

test("bytes have a plural, and units in powers of 1000", () => {
  expect([0, 1, 493, 999, 1000, 1_115_394, 1.5e9].map(bytes)).toEqual([
    ...["0 bytes", "1 byte", "493 bytes", "999 bytes", "1 kB", "1.12 MB", "1.5 GB"],
  ]);
});

test("numbers of fields are written with all digits", () => {
  expect([0.0006, 1e9, 4_294_967_295].map(number)).toEqual(["0.0006", "1,000,000,000", "4,294,967,295"]);
});
