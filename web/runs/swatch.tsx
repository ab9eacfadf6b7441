/** The colour of a run's curves; an empty space without one. */
export function Swatch({ colour }: { colour: string | undefined }) {
  return <i class="swatch" aria-hidden="true" style={colour && { background: `var(${colour})` }} />;
}
