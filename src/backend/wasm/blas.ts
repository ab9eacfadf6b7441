/**
 * The system's BLAS as the provider of matmuls: cblas_sgemm of a library, called by each worker for its share of an output,
 * over the same memory, on one thread. What a library computes differs from the kernels' results, and from another library's,
 * in the last bits.
 */
import { BackendError } from "../../errors.ts";
import type { ForeignLibrary, ForeignLoader, Platform } from "../../platform/platform.ts";
import type { Sgemm } from "./kernels.ts";

/** Functions that keep a library to one thread, or to 32-bit integers; those that it has are called by every thread. */
const settings: readonly { readonly symbol: string; readonly prototype: string; readonly value: number }[] = [
  { symbol: "openblas_set_num_threads", prototype: "void openblas_set_num_threads(int)", value: 1 },
  { symbol: "bli_thread_set_num_threads", prototype: "void bli_thread_set_num_threads(int64_t)", value: 1 },
  // MKL_THREADING_SEQUENTIAL and MKL_INTERFACE_LP64, before the first call.
  { symbol: "MKL_Set_Threading_Layer", prototype: "int MKL_Set_Threading_Layer(int)", value: 1 },
  { symbol: "MKL_Set_Interface_Layer", prototype: "int MKL_Set_Interface_Layer(int)", value: 0 },
  // BLAS_THREADING_SINGLE_THREADED, in macOS from version 15 on.
  { symbol: "BLASSetThreading", prototype: "int BLASSetThreading(int)", value: 1 },
];

/** Loads the first of some libraries that has cblas_sgemm, for the calling thread; otherwise the reason, a phrase. */
export function loadBlas(foreign: ForeignLoader, libraries: string | readonly string[]): ForeignLibrary | string {
  const library = foreign.load(libraries, {
    problemOf: (found) => (found.addressOf("cblas_sgemm") === undefined ? "it has no cblas_sgemm" : undefined),
  });
  if (typeof library === "string") return library;
  for (const { symbol, prototype, value } of settings)
    if (library.addressOf(symbol) !== undefined) library.declare<[number], unknown>(prototype)(value);
  return library;
}

const ROW_MAJOR = 101;
const PLAIN = 111;
const TRANSPOSED = 112;

/** `int` is the integer's type: 32 bits in every library that is used. */
export function declareSgemm(library: ForeignLibrary, int = "int") {
  const matrix = `uintptr_t, ${int}`;
  return library.declare<number[], void>(
    `void cblas_sgemm(int, int, int, ${int}, ${int}, ${int}, float, ${matrix}, ${matrix}, float, ${matrix})`,
  );
}

/** A library's sgemm over a module's memory, for the calling thread. BackendError when it cannot be loaded. */
export async function openSgemm(
  openForeign: Platform["openForeign"],
  name: string,
  memory: WebAssembly.Memory,
): Promise<Sgemm> {
  const foreign = await openForeign();
  const library = typeof foreign === "string" ? foreign : loadBlas(foreign, name);
  if (typeof foreign === "string" || typeof library === "string")
    throw new BackendError(`the BLAS ${name} cannot be loaded: ${library}`);
  return sgemmOver(memory, foreign, library);
}

/** The library's sgemm over a module's memory. */
export function sgemmOver(memory: WebAssembly.Memory, foreign: ForeignLoader, library: ForeignLibrary): Sgemm {
  const sgemm = declareSgemm(library);
  let { buffer } = memory;
  let base = Number(foreign.addressOf(new Uint8Array(buffer)));
  return (transA, transB, M, N, K, a, lda, b, ldb, c, ldc, accumulate) => {
    // Memory that is not shared may move when it grows: its old buffer is detached.
    if (buffer.byteLength === 0) {
      ({ buffer } = memory);
      base = Number(foreign.addressOf(new Uint8Array(buffer)));
    }
    const [opA, opB] = [transA ? TRANSPOSED : PLAIN, transB ? TRANSPOSED : PLAIN];
    // WebAssembly's integers are signed in JavaScript: those from 2 GiB on are negative.
    const at = (address: number) => base + (address >>> 0);
    sgemm(ROW_MAJOR, opA, opB, M, N, K, 1, at(a), lda, at(b), ldb, accumulate, at(c), ldc);
  };
}

/** Version, and processor that its code is for, in the library's own words; its name where it has none. */
export function describeBlas(library: ForeignLibrary): string {
  const text = (symbol: string) =>
    library.addressOf(symbol) === undefined
      ? undefined
      : library.declare<[], string>(`const char *${symbol}()`)().trim();
  const openblas = text("openblas_get_config");
  if (openblas !== undefined) return openblas;
  const blis = text("bli_info_get_version_str");
  if (blis !== undefined) return `BLIS ${blis}`;
  if (library.addressOf("MKL_Get_Version_String") !== undefined) {
    const buffer = new Uint8Array(200);
    library.declare<[Uint8Array, number], void>("void MKL_Get_Version_String(char *, int)")(buffer, buffer.length);
    return new TextDecoder().decode(buffer).replace(/\0.*$/s, "").trim();
  }
  return library.name;
}

/** Reason against a library that says so itself: its integers have 64 bits. */
export function problemOfIntegers(library: ForeignLibrary): string | undefined {
  const is64 =
    library.addressOf("bli_info_get_blas_int_type_size") === undefined
      ? /\bUSE64BITINT\b/.test(describeBlas(library))
      : library.declare<[], number>("int64_t bli_info_get_blas_int_type_size()")() === 64;
  return is64 ? ILP64 : undefined;
}

export const ILP64 = "its integers have 64 bits (ILP64); the build with 32 bits (LP64) is needed";
