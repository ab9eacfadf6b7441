/** A tensor as rows and columns of numbers. */
import type { TraceTensor } from "../../src/verify/trace-tensor.ts";

export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
  /** The dimensions that rows and columns are: positions of the text have names. */
  readonly rowsAre: "positions" | "indices" | "one";
  readonly columnsAre: "positions" | "indices";
  /** Index of the first element shown, of a tensor that is shown in part: one head of it. */
  readonly from: number;
}

/** Of one sequence of T tokens. `head`: of attention probabilities (1,NH,T,T), the one that is shown. */
export function gridOf({ name, shape }: TraceTensor, values: Float32Array, T: number, head: number): Grid {
  const columns = shape[shape.length - 1];
  if (shape.length === 4) {
    const from = head * T * T;
    return {
      ...{ rows: T, columns: T, data: values.subarray(from, from + T * T), from },
      ...{ rowsAre: "positions", columnsAre: "positions" },
    };
  }
  const rows = values.length / columns;
  // Activations are (1,T,C) or (1,T); parameters have no first dimension of 1.
  const isActivation = shape[0] === 1 && shape[1] === T && !/wpe$/.test(name);
  return {
    ...{ rows, columns, data: values, from: 0 },
    rowsAre: rows === 1 ? "one" : isActivation ? "positions" : "indices",
    columnsAre: isActivation && shape.length === 2 ? "positions" : "indices",
  };
}
