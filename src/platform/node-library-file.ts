/** Processors that a file of machine code is for, from its header: ELF (Linux, BSD), Mach-O (macOS) or PE (Windows). */

/** Bytes of a file's beginning that hold its header. */
export const HEADER_BYTES = 4096;

const elfMachines: Readonly<Record<number, string>> = {
  3: "ia32",
  8: "mips",
  21: "ppc64",
  22: "s390x",
  40: "arm",
  62: "x64",
  183: "arm64",
  243: "riscv64",
  258: "loong64",
};
const machTypes: Readonly<Record<number, string>> = { 7: "ia32", 16777223: "x64", 16777228: "arm64" };
const peMachines: Readonly<Record<number, string>> = { 332: "ia32", 452: "arm", 34404: "x64", 43620: "arm64" };

const MACH_LITTLE = [0xfeedface, 0xfeedfacf];
const MACH_FAT = 0xcafebabe;

/** Names of processors as in process.arch, or "another processor"; undefined for a file that is none of these. */
export function architecturesOf(header: Uint8Array): readonly string[] | undefined {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(header.subarray(0, HEADER_BYTES));
  const view = new DataView(bytes.buffer);
  const name = (names: Readonly<Record<number, string>>, id: number) => names[id] ?? "another processor";
  if (view.getUint32(0) === 0x7f454c46) return [name(elfMachines, view.getUint16(18, view.getUint8(5) === 1))];
  if (MACH_LITTLE.includes(view.getUint32(0, true))) return [name(machTypes, view.getUint32(4, true))];
  if (view.getUint32(0) === MACH_FAT) {
    const count = Math.min(view.getUint32(4), 16);
    return Array.from({ length: count }, (_, i) => name(machTypes, view.getUint32(8 + 20 * i)));
  }
  const pe = Math.min(view.getUint32(0x3c, true), HEADER_BYTES - 8);
  if (view.getUint16(0) === 0x4d5a && view.getUint32(pe) === 0x50450000)
    return [name(peMachines, view.getUint16(pe + 4, true))];
  return undefined;
}
