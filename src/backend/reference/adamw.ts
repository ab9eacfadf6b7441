import type { Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

/**
 * m and v are running means of the gradient and its square, which start at 0 and so are too small in the first steps:
 * dividing by 1 - beta^step mends that. Decay pulls on the parameter itself and does not go through m and v.
 * Loshchilov and Hutter, 2017; torch.optim.AdamW.
 */
export const adamw: Operations<HostTensor>["adamw"] = (params, grads, firsts, seconds, options) => {
  const { learningRate, beta1, beta2, eps, weightDecay, gradScale, step } = options;
  const [param, grad, m, v] = [params.data, grads.data, firsts.data, seconds.data];
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (let i = 0; i < param.length; i++) {
    const g = grad[i] * gradScale;
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    if (v[i] === Infinity) v[i] = NaN; // a square beyond f32, by which no step would be left
    const direction = m[i] / correction1 / (Math.sqrt(v[i] / correction2) + eps);
    param[i] -= learningRate * (direction + weightDecay * param[i]);
  }
};
