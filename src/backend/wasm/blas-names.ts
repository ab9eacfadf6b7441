/** The BLAS libraries that are known by name. */

/** File names of each library; those of other systems are not found. */
const files = {
  /** macOS. */
  accelerate: ["/System/Library/Frameworks/Accelerate.framework/Accelerate"],
  /** Intel's oneMKL. */
  mkl: [
    "libmkl_rt.so.2",
    "libmkl_rt.so.3",
    "libmkl_rt.so",
    "libmkl_rt.2.dylib",
    "mkl_rt.2.dll",
    "mkl_rt.3.dll",
    "mkl_rt.dll",
  ],
  /** Arm Performance Libraries; the one without threads first. */
  armpl: ["libarmpl_lp64.so", "libarmpl.so", "libarmpl_lp64.dylib", "libarmpl_lp64.dll"],
  openblas: [
    "libopenblas.so.0",
    "libopenblas.so",
    "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
    "/usr/local/opt/openblas/lib/libopenblas.dylib",
    "libopenblas.dylib",
    "libopenblas.dll",
    "openblas.dll",
  ],
  /** BLIS, and AMD's AOCL, which is one. */
  blis: [
    "libblis-mt.so.5",
    "libblis-mt.so.4",
    "libblis-mt.so",
    "libblis.so.5",
    "libblis.so.4",
    "libblis.so",
    "/opt/homebrew/opt/blis/lib/libblis.dylib",
    "libblis.dylib",
    "AOCL-LibBlis-Win-dll.dll",
  ],
} as const satisfies Record<string, readonly string[]>;

export type BlasName = keyof typeof files;
export const blasNames = Object.keys(files) as BlasName[];

/** The libraries to try, in order: those of a name, or the one at a path. */
export function filesOf(blas: string): readonly string[] {
  return isBlasName(blas) ? files[blas] : [blas];
}

export function isBlasName(text: string): text is BlasName {
  return Object.hasOwn(files, text);
}
