/** The multiples of the heads next to a number of channels that is none; undefined when it is one. */
export function multiplesAround(C: number, NH: number): { readonly below: number; readonly above: number } | undefined {
  if (C % NH === 0) return undefined;
  const below = Math.floor(C / NH) * NH;
  return { below, above: below + NH };
}
