/**
 * AdamW (Loshchilov and Hutter, 2017), one update of each parameter, as torch.optim.AdamW computes it:
 *
 *   m = beta1 * m + (1 - beta1) * g,   v = beta2 * v + (1 - beta2) * g²          g = grad * gradScale
 *   param -= learningRate * (m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps) + weightDecay * param)
 *
 * m and v (first and second moment) are exponential moving averages that start at 0; dividing by 1 - beta^step removes
 * that bias. Weight decay is decoupled: it acts on the parameter directly, not through m and v. All four tensors have one
 * shape; a copy for mixed precision is the parameter, rounded. If g² overflows float32, v and the parameter become NaN instead of the update silently becoming 0.
 */
import type { Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

export const adamw: Operations<HostTensor>["adamw"] = (params, grads, firstMoments, secondMoments, options, copy) => {
  const { learningRate, beta1, beta2, eps, weightDecay, gradScale, step } = options;
  const [param, grad, m, v] = [params.data, grads.data, firstMoments.data, secondMoments.data];
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (let i = 0; i < param.length; i++) {
    const g = grad[i] * gradScale;
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    if (v[i] === Infinity) v[i] = NaN;
    const direction = m[i] / correction1 / (Math.sqrt(v[i] / correction2) + eps);
    param[i] -= learningRate * (direction + weightDecay * param[i]);
  }
  copy?.data.set(param);
};
