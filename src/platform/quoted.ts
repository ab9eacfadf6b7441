/**
 * An argument as a shell takes it: bare where it has nothing that a shell reads. Else in single quotes; on Windows in
 * double quotes, which cmd and PowerShell share, or in single ones where PowerShell would expand something in them.
 */
export function quoted(arg: string, platform: string | undefined = globalThis.process?.platform): string {
  const isBare = platform === "win32" ? /^[\p{L}\p{N}_+:.,/\\=-]+$/u : /^(?!=)[\p{L}\p{N}_%+:.,/@=-]+$/u;
  if (isBare.test(arg)) return arg;
  if (platform !== "win32") return `'${arg.replaceAll("'", String.raw`'\''`)}'`;
  return /[$`]/.test(arg) ? `'${arg.replaceAll("'", "''")}'` : `"${arg}"`;
}
