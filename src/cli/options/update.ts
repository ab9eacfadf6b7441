import type { Command } from "commander";
import { trainOptions } from "../../train/settings.ts";
import { numeric } from "./values.ts";

/** Their names among the flags. */
export const updateFlags = ["lr", "weightDecay", "beta1", "beta2", "eps", "gradClip"] as const;

/**
 * The options of one update, as `train` has them. The defaults show in every part of the update: with weight decay and clipping,
 * and with betas for which a first update without bias correction differs, (1 - beta1) / sqrt(1 - beta2) not being 1.
 */
export function addUpdateOptions(command: Command): Command {
  const { learningRate, weightDecay, beta1, beta2, eps, gradClip } = trainOptions;
  return command
    .option(learningRate.flags, learningRate.help, numeric(learningRate), 1e-3)
    .option(weightDecay.flags, weightDecay.help, numeric(weightDecay), 0.1)
    .option(beta1.flags, beta1.help, numeric(beta1), beta1.default)
    .option(beta2.flags, beta2.help, numeric(beta2), beta2.default)
    .option(eps.flags, eps.help, numeric(eps), eps.default)
    .option(gradClip.flags, `${gradClip.help}; 0: any`, numeric(gradClip), 1);
}
