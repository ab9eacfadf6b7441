/** What `--help` shows below the options: a line of comment and a command, for each example. */
export function examples(...pairs: readonly (readonly [comment: string, command: string])[]): string {
  return `\nExamples:\n${pairs.map(([comment, command]) => `  # ${comment}\n  $ ${command}`).join("\n")}\n`;
}
