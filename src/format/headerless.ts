/** Types of tokens in files without a header: llm.c's of April 2024, and nanoGPT's. */
export const headerlessTypes = ["int32", "uint16"] as const;
export type HeaderlessType = (typeof headerlessTypes)[number];
