import { writeFileSync } from "node:fs";

/** Machine code by processor: a function that returns, one that ends the process, one that never returns. */
const code = {
  x64: { returns: [0xc3], crashes: [0x0f, 0x0b], hangs: [0xeb, 0xfe] },
  arm64: { returns: [0xc0, 0x03, 0x5f, 0xd6], crashes: [0, 0, 0, 0], hangs: [0, 0, 0, 0x14] },
};

export type Behaviour = keyof (typeof code)["x64"];

/** False where no such library can be made: it is Linux's format. */
export const hasTinyLibraries = process.platform === "linux" && process.arch in code;

/** Writes a shared library (ELF) of one function `symbol`, without a compiler; `onLoad` runs when it is loaded. */
export function writeTinyLibrary(path: string, symbol: string, does: Behaviour, onLoad: Behaviour = "returns"): string {
  const machine = code[process.arch as keyof typeof code];
  const bytes = new Uint8Array(1024);
  const view = new DataView(bytes.buffer);
  const [dynamic, hash, symbols, strings, body, init] = [256, 512, 576, 640, 704, 736];
  const u16 = (at: number, ...values: number[]) =>
    values.forEach((value, i) => void view.setUint16(at + 2 * i, value, true));
  const u32 = (at: number, ...values: number[]) =>
    values.forEach((value, i) => void view.setUint32(at + 4 * i, value, true));
  const u64 = (at: number, ...values: number[]) =>
    values.forEach((value, i) => void view.setBigUint64(at + 8 * i, BigInt(value), true));

  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian
  u16(16, 3, process.arch === "x64" ? 62 : 183); // a shared object, the processor
  u32(20, 1);
  u64(24, 0, 64, 0); // no entry, program headers, no sections
  u16(52, 64, 56, 3, 64);
  const header = (i: number, type: number, flags: number, at: number, size: number, alignment: number) => {
    u32(64 + 56 * i, type, flags);
    u64(72 + 56 * i, at, at, at, size, size, alignment);
  };
  header(0, 1, 7, 0, bytes.length, 4096); // all of the file
  header(1, 2, 6, dynamic, 7 * 16, 8);
  header(2, 0x6474e551, 6, 0, 0, 16); // no executable stack
  const [HASH, STRTAB, SYMTAB, STRSZ, SYMENT, INIT] = [4, 5, 6, 10, 11, 12];
  u64(dynamic, HASH, hash, SYMTAB, symbols, STRTAB, strings, STRSZ, 64, SYMENT, 24, INIT, init, 0, 0);
  u32(hash, 1, 2, 1, 0, 0); // one bucket, two symbols, of which the second is in it
  u32(symbols + 24, 1);
  bytes.set([0x12], symbols + 28); // global, a function
  u16(symbols + 30, 1);
  u64(symbols + 32, body, 16);
  bytes.set(new TextEncoder().encode(`\0${symbol}\0`), strings);
  bytes.set(machine[does], body);
  bytes.set(machine[onLoad], init);
  writeFileSync(path, bytes);
  return path;
}
