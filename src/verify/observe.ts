import type { Backend, Linear, Operations, Tensor } from "../backend/backend.ts";
import { type OperationName, operationNames } from "../backend/work.ts";
import type { TraceTensor } from "./trace-tensor.ts";

/** How a tensor was computed. */
export type How = Pick<TraceTensor, "operation" | "output" | "inputs">;

/** Where results are recorded: names of tensors by what they hold at the moment. */
export interface Recorder {
  nameOf(tensor: Tensor): string | undefined;
  name(tensor: Tensor, name: string | undefined): void;
  /** Adds an activation or its gradient, which an operation has just written into `tensor`. */
  add(name: string, tensor: Tensor, how: How): void;
  /** Adds a parameter's gradient. */
  addParameter(name: string, tensor: Tensor, how: How): void;
}

type Observers = { readonly [Name in OperationName]?: (...args: Parameters<Operations[Name]>) => void };

/** A backend that forwards to `be` and, after each operation is enqueued, records its results. */
export function observe(be: Backend, recorder: Recorder): Backend {
  const observers: Readonly<Record<string, ((...args: never[]) => void) | undefined>> = observersOf(recorder);
  return new Proxy(be, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      const observer = operationNames.some((name) => name === key) ? observers[String(key)] : undefined;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args);
        observer?.(...(args as never[]));
        return result;
      };
    },
  });
}

function observersOf(to: Recorder): Observers {
  /** Operands that are there, by role and name. */
  const named = (tensors: Readonly<Record<string, Tensor | null | undefined>>) => {
    const entries = Object.entries(tensors).map(([role, tensor]) => [role, tensor && to.nameOf(tensor)] as const);
    return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  };
  const nameOf = (tensor: Tensor) => {
    const name = to.nameOf(tensor);
    if (name === undefined) throw new RangeError("a tensor without a name takes part in the step");
    return name;
  };
  const gradientOf = (tensor: Tensor) => `d.${nameOf(tensor)}`;
  /** "h.0." of "h.0.qkv". */
  const layerOf = (tensor: Tensor) => nameOf(tensor).replace(/^(d\.)?(h\.\d+\.).*$/, "$2");
  /** The input of each weight's matmul, whose gradient its backward gives. */
  const inputOf = new Map<string, string>();

  return {
    fill: (out) => to.name(out, undefined),

    embeddingForward(out, tokens, wte, wpe) {
      to.add("encoded", out, { operation: "embeddingForward", output: "out", inputs: named({ tokens, wte, wpe }) });
    },
    layernormForward(a, inp, w) {
      const how = { operation: "layernormForward", inputs: named({ inp, ...w }) };
      const name = nameOf(w.weight).slice(0, -1);
      if (a.mean) to.add(`${name}.mean`, a.mean, { ...how, output: "mean" });
      to.add(`${name}.rstd`, a.rstd, { ...how, output: "rstd" });
      to.add(name, a.out, { ...how, output: "out" });
    },
    matmulForward(out, inp, w) {
      inputOf.set(nameOf(w.weight), nameOf(inp));
      to.add(matmulResult(nameOf(w.weight)), out, {
        operation: "matmulForward",
        output: "out",
        inputs: named({ inp, ...w }),
      });
    },
    rotaryForward(qkv) {
      const how = { operation: "rotaryForward", output: "qkv", inputs: named({ qkv }) };
      to.add(`${layerOf(qkv)}rotated`, qkv, how);
    },
    attentionForward(out, saved, qkv) {
      const how = { operation: "attentionForward", inputs: named({ qkv }) };
      if (saved) to.add(`${layerOf(qkv)}att`, saved, { ...how, output: "att" });
      to.add(`${layerOf(qkv)}atty`, out, { ...how, output: "out" });
    },
    geluForward(out, inp) {
      to.add(`${nameOf(inp)}gelu`, out, { operation: "geluForward", output: "out", inputs: named({ inp }) });
    },
    residualForward(out, a, b) {
      const name = `${layerOf(b)}${nameOf(b).endsWith("attproj") ? "residual2" : "residual3"}`;
      to.add(name, out, { operation: "residualForward", output: "out", inputs: named({ a, b }) });
    },
    headLoss({ losses, targets }) {
      const inputs = { logits: "logits", tokens: "tokens", ...named({ targets }) };
      to.add("losses", losses, { operation: "crossEntropy", output: "losses", inputs });
    },
    mean(out, inp) {
      to.add("loss", out, { operation: "mean", output: "out", inputs: named({ inp }) });
    },

    headBackward({ scratch, targets }, dinp, dw, inp, wte) {
      const inputs = { logits: "logits", tokens: "tokens", ...named({ targets }) };
      to.add("d.logits", scratch, { operation: "crossEntropyBackward", output: "dlogits", inputs });
      const dout = "d.logits";
      if (dw)
        to.addParameter("d.wte.head", dw.weight, {
          operation: "matmulBackwardWeight",
          output: "dweight",
          inputs: { dout, ...named({ inp }) },
        });
      to.add(gradientOf(inp), dinp, {
        operation: "matmulBackwardInput",
        output: "dinp",
        inputs: { dout, ...named({ weight: wte }) },
      });
    },
    layernormBackward(dinp, dw, dout, inp, w, a) {
      const { weight } = w;
      const inputs = named({ dout, inp, weight, mean: a.mean, rstd: a.rstd, dresidual: dinp });
      addParameters(dw, { operation: "layernormBackward", inputs });
      to.add(gradientOf(inp), dinp, { operation: "layernormBackward", output: "dinp", inputs });
    },
    matmulBackwardInput(dinp, dout, { weight }) {
      const how = { operation: "matmulBackwardInput", output: "dinp", inputs: named({ dout, weight }) };
      to.add(`d.${inputOf.get(nameOf(weight))}`, dinp, how);
    },
    matmulBackwardWeight(dw, dout, inp) {
      addParameters(dw, { operation: "matmulBackwardWeight", inputs: named({ dout, inp }) });
    },
    geluBackward(dinp, inp, dout) {
      to.add(gradientOf(inp), dinp, { operation: "geluBackward", output: "dinp", inputs: named({ dout, inp }) });
    },
    attentionBackward(dqkv, dout, qkv, saved) {
      const inputs = named({ dout, qkv, att: saved });
      to.add(gradientOf(qkv), dqkv, { operation: "attentionBackward", output: "dqkv", inputs });
    },
    rotaryBackward(dqkv) {
      const how = { operation: "rotaryBackward", output: "dqkv", inputs: named({ dqkv }) };
      to.add(`d.${layerOf(dqkv)}qkv`, dqkv, how);
    },
    embeddingBackward(dwte, dwpe, dout, tokens) {
      const inputs = { ...named({ dout, tokens }), dwte: "d.wte.head", ...(dwpe && { wpe: "wpe" }) };
      to.addParameter("d.wte", dwte, { operation: "embeddingBackward", output: "dwte", inputs });
      if (dwpe) to.addParameter("d.wpe", dwpe, { operation: "embeddingBackward", output: "dwpe", inputs });
    },
  };

  function addParameters({ weight, bias }: Linear, how: How): void {
    to.addParameter(nameOf(weight), weight, { ...how, output: "dweight" });
    if (bias) to.addParameter(nameOf(bias), bias, { ...how, output: "dbias" });
  }
}

/** What the matmul with a weight gives: "h.0.qkv" with "h.0.qkvw". */
function matmulResult(weight: string): string {
  if (weight === "wte") return "logits";
  return weight.endsWith("fcw") ? `${weight.slice(0, -1)}h` : weight.slice(0, -1);
}
