/**
 * Native libraries through their C interfaces, by koffi: an optional package, loaded when asked for. Each thread that
 * calls a library opens and loads for itself; the system has the library in memory once.
 *
 *     const foreign = await openForeign();
 *     if (typeof foreign === "string") throw new BackendError(`No libraries here: ${foreign}.`);
 *     const library = foreign.load("libm.so.6");
 *     if (typeof library !== "string") library.declare<[number], number>("float cosf(float)")(0); // 1
 */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { BackendError, messageOf } from "../errors.ts";
import { architecturesOf, HEADER_BYTES } from "./node-library-file.ts";
import { importOptional } from "./node-optional.ts";
import type { ForeignLibrary, ForeignLoader, LoadOptions } from "./platform.ts";

/** The part of koffi that is used. */
interface Koffi {
  readonly version: string;
  load(library: string, options: { readonly global: boolean }): KoffiLibrary;
  address(view: ArrayBufferView): bigint;
  config(): { readonly async_stack_size: number };
  config(changes: { readonly async_stack_size: number }): unknown;
}

interface KoffiLibrary {
  func(prototype: string): KoffiFunction;
  symbol(name: string): bigint;
}

interface KoffiFunction {
  (...args: readonly unknown[]): unknown;
  async(...args: readonly unknown[]): void;
}

const OLDEST = 3;

/** Stack of a call by `declareAsync`, in bytes: MPICH overflows koffi's own 128 KiB. */
const ASYNC_STACK = 2 ** 21;

let opened: ForeignLoader | undefined;

/** Arguments of calls that have not returned: their memory must not be collected, of which koffi passes the address. */
const pending = new Set<readonly unknown[]>();

/** The loader of libraries, or why there is none: a phrase. */
export async function openForeign(): Promise<ForeignLoader | string> {
  if (opened) return opened;
  try {
    const koffi = ((await importOptional("koffi")) as { default: Koffi } | undefined)?.default;
    if (!koffi) return "it needs the package koffi: npm install koffi";
    if (Number.parseInt(koffi.version, 10) < OLDEST)
      return `it needs the package koffi from version ${OLDEST} on, and found ${koffi.version}: npm install koffi@latest`;
    if (koffi.config().async_stack_size < ASYNC_STACK) koffi.config({ async_stack_size: ASYNC_STACK });
    opened = loaderOf(koffi);
    return opened;
  } catch (error) {
    return `the package koffi cannot be used: ${phraseOf(messageOf(error))}`;
  }
}

function loaderOf(koffi: Koffi): ForeignLoader {
  return {
    load(libraries, options = {}) {
      const names = typeof libraries === "string" ? [libraries] : ofThisSystem(libraries);
      const problems: string[] = [];
      for (const name of names) {
        const found = loadOne(koffi, name, options);
        if (typeof found !== "string") return found;
        problems.push(`${name}: ${found}`);
      }
      return problems.join("; ");
    },
    addressOf: (view) => koffi.address(view),
  };
}

/** The names for this system's loader; all, if none is. */
function ofThisSystem(names: readonly string[]): readonly string[] {
  const systemOf = (name: string) =>
    /\.dll$/i.test(name) ? "win32" : /\.(dylib|framework)\b/.test(name) ? "darwin" : "";
  const here = ["win32", "darwin"].includes(process.platform) ? process.platform : "";
  const own = names.filter((name) => systemOf(name) === here);
  return own.length > 0 ? own : names;
}

function loadOne(koffi: Koffi, name: string, { global = false, problemOf }: LoadOptions): ForeignLibrary | string {
  let library: ForeignLibrary;
  try {
    library = libraryOf(koffi.load(name, { global }), name);
  } catch (error) {
    const path = process.platform === "win32" ? windowsPathOf(name) : name;
    if (path === undefined) return "not found";
    return problemOfFile(path) ?? problemOfLoading(name) ?? messageOf(error);
  }
  return problemOf?.(library) ?? library;
}

function libraryOf(library: KoffiLibrary, name: string): ForeignLibrary {
  const declare = (prototype: string) => {
    try {
      return library.func(prototype);
    } catch (error) {
      throw new BackendError(`${name}: ${messageOf(error)}.`);
    }
  };
  return {
    name,
    declare: <A extends readonly unknown[], R>(prototype: string) => declare(prototype) as (...args: A) => R,
    declareAsync<A extends readonly unknown[], R>(prototype: string) {
      const call = declare(prototype);
      return (...args: A) =>
        new Promise<R>((resolve, reject) => {
          pending.add(args);
          call.async(...args, (error: unknown, result: R) => {
            pending.delete(args);
            if (error) reject(error);
            else resolve(result);
          });
        });
    },
    addressOf(symbol) {
      try {
        return library.symbol(symbol);
      } catch {
        return undefined;
      }
    },
  };
}

/** Reason for which a file at this path is not a library for this process; undefined for a bare name, or another reason. */
function problemOfFile(path: string): string | undefined {
  if (!/[\\/]/.test(path)) return undefined;
  try {
    if (statSync(path).isDirectory()) return "it is a folder";
    const architectures = architecturesOf(readHeader(path));
    if (!architectures) return "it is not a library of machine code";
    if (!architectures.includes(process.arch))
      return `it is a library for ${architectures.join(" and ")}, and this Node is for ${process.arch}`;
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT" ? "there is no such file" : undefined;
  }
}

function readHeader(path: string): Uint8Array {
  const file = openSync(path, "r");
  try {
    const bytes = new Uint8Array(HEADER_BYTES);
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

/** The first line, without the end of its sentence. */
function phraseOf(message: string): string {
  return message.replace(/[.?!]*\s*(\n.*)?$/s, "");
}

/**
 * Where Windows finds a library: its own words, in the user's language, do not tell a library that is missing from one that
 * needs another.
 */
function windowsPathOf(name: string): string | undefined {
  if (/[\\/]/.test(name)) return name;
  const { SystemRoot = "", PATH = "" } = process.env;
  const folders = [dirname(process.execPath), join(SystemRoot, "System32"), SystemRoot, ...PATH.split(delimiter)];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** The system's own words, which name a further library that is missing; koffi's leave that out. */
function problemOfLoading(name: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, name);
  } catch (error) {
    const message = phraseOf(messageOf(error));
    const isMissing =
      message.startsWith(`${name}: cannot open shared object file: No such file`) ||
      (message.startsWith(`dlopen(${name}`) &&
        !/\((?!no such file)[^),]*\)/.test(message.replace(/^dlopen\(.*?\)/, "")));
    if (isMissing) return "not found";
    if (/did not self-register|Module did not/.test(message)) return undefined;
    return process.platform === "win32" ? `Windows cannot load it, or a library that it needs: ${message}` : message;
  }
  return undefined;
}
