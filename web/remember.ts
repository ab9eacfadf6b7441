/** Small choices that outlive the page. Where storage is denied they do not, and nothing else is different. */

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`studio ${name}`, value);
  } catch {}
}

export function recalled(name: string): string | undefined {
  try {
    return localStorage.getItem(`studio ${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

/** What was kept under a name, where it is one of the values that there are. */
export function remembered<T extends string>(name: string, values: readonly T[]): T | undefined {
  const found = recalled(name);
  return values.find((value) => value === found);
}
