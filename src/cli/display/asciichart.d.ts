/** asciichart brings no types: the part that chart.ts uses. */
declare module "asciichart" {
  export interface PlotOptions {
    min?: number;
    max?: number;
    height?: number;
    offset?: number;
    symbols?: readonly string[];
    format?: (value: number) => string;
  }
  export function plot(series: readonly number[], options?: PlotOptions): string;
}
