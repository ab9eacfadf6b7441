/** User preferences in localStorage. If that is denied, they last as long as the page. */

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

/** The value stored under a name, if it is one of `values`. */
export function remembered<T extends string>(name: string, values: readonly T[]): T | undefined {
  const found = recalled(name);
  return values.find((value) => value === found);
}
