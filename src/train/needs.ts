/** Options that have an effect only beside others: the conditions that the column `needs` of the table names. */
import type { Need, TrainOption } from "./setting-rules.ts";
import { optionNamed, type RunChoices, type TrainSettings } from "./settings.ts";

/** What a run is, as far as options depend on it. */
export interface Circumstances {
  readonly settings: TrainSettings;
  /** True where its data was named. */
  readonly hasData: boolean;
  /** True where there is data to validate on. */
  readonly hasVal: boolean;
  /** True where it has a folder. */
  readonly isKept: boolean;
  readonly processes: number;
  /** What a resumed run was given: the same once more is left as it was. */
  readonly before?: RunChoices;
}

interface Condition {
  isMet(run: Circumstances): boolean;
  /** The option that decides it. Whoever chose that knows, as with -s 0 behind a command that has -g. */
  readonly by?: keyof RunChoices;
  /** For the help. */
  readonly help?: string;
  /** Why an option has no effect without: a sentence. */
  readonly why: string;
  /** How to meet it, the beginning of a sentence that ends with "or leave it out." */
  readonly instead: string;
}

export const conditions: Readonly<Record<Need, Condition>> = {
  data: {
    isMet: ({ hasData }) => hasData,
    why: "no data is named, and the bundled text has headers.",
    instead: "Name token files with --train (-i)",
  },
  validationData: {
    isMet: ({ hasVal }) => hasVal,
    why: "there is no data to validate on.",
    instead: "Name some with --val (-j)",
  },
  validation: {
    isMet: ({ settings }) => settings.valEvery > 0,
    by: "valEvery",
    why: "--val-every (-v) is 0, and the run makes no validation.",
    instead: "Give -v 100, say",
  },
  shuffling: {
    isMet: ({ settings }) => settings.order !== "file",
    by: "order",
    help: "with --order shuffle or random",
    why: "with --order file the data is read as it lies in its files.",
    instead: "Choose --order shuffle or random",
  },
  schedule: {
    isMet: ({ settings }) => settings.schedule !== "constant",
    by: "schedule",
    help: "unless constant",
    why: "the constant schedule has no warm-up and no end, as in llm.c.",
    instead: "Choose another, such as -k cosine (-k linear -q 1 warms up and then stays)",
  },
  processes: {
    isMet: ({ processes }) => processes > 1,
    why: "one process sums no gradients of others.",
    instead: "Start several, as in mpirun -np 2 llm-ts train",
  },
  adapter: {
    isMet: ({ settings }) => settings.loraRank > 0,
    help: "with --lora-rank",
    why: "it is for training an adapter, which leaves the model's weights as they are.",
    instead: "Add --lora-rank 8",
  },
  earlyStop: {
    isMet: ({ settings }) => settings.earlyStop > 0,
    by: "earlyStop",
    help: "with --early-stop",
    why: "no validation ends the run early.",
    instead: "Add --early-stop 3, say",
  },
  samples: {
    isMet: ({ settings }) => settings.sampleEvery > 0,
    by: "sampleEvery",
    why: "--sample-every (-s) is 0, and no text is written.",
    instead: "Give -s 20, say",
  },
  folder: {
    isMet: ({ isKept }) => isKept,
    why: "nothing of this run is kept.",
    instead: "Name a folder with --out (-o)",
  },
  checkpoints: {
    isMet: ({ settings }) => settings.checkpointEvery > 0,
    by: "checkpointEvery",
    help: "with --out and -n",
    why: "--checkpoint-every (-n) is 0, and the run saves only at its end.",
    instead: "Add -n 100, say",
  },
  pruning: {
    isMet: ({ settings }) => settings.keep > 0,
    by: "keep",
    why: "with --keep 0 all checkpoints are kept.",
    instead: "Give another --keep",
  },
};

/** A condition that is not met, and the options that were chosen nevertheless. */
export interface Idle extends Pick<Condition, "why" | "instead"> {
  readonly options: readonly TrainOption[];
  /** True where the option that decides it was chosen, too. */
  readonly isMeant: boolean;
}

/** The options among those chosen for a run that have no effect in it, unless they say that they are to have none. */
export function idleOptions(chosen: RunChoices, run: Circumstances): readonly Idle[] {
  const before: Readonly<Record<string, unknown>> = { ...run.before };
  const able = Object.entries(chosen).flatMap(([name, value]) => {
    const option = optionNamed(name);
    return !option || value === undefined || value === before[name] || isOff(option, value) ? [] : [option];
  });
  return Object.entries(conditions).flatMap(([need, { isMet, by, why, instead }]) => {
    const options = able.filter(({ needs = [] }) => needs.some((one) => one === need));
    const isMeant = by !== undefined && chosen[by] !== undefined;
    return options.length === 0 || isMet(run) ? [] : [{ options, isMeant, why, instead }];
  });
}

/** True for a value that asks for nothing: the default, or 0 where that means none. */
function isOff({ zero, default: usual }: TrainOption, value: unknown): boolean {
  return value === usual || (value === 0 && zero !== undefined);
}
