import { type Command, Option } from "commander";
import { precisions } from "../../backend/backend.ts";
import { addBackendOptions } from "../options/backend.ts";
import { examples } from "../options/common.ts";
import { addGroupOptions, groupOptions } from "../options/group.ts";
import { refuseIdle, typedOptions } from "../options/typed.ts";
import { output, whole } from "../options/values.ts";
import type { BenchFlags } from "./run.ts";

export function addBench(program: Command): void {
  const bench = addBackendOptions(program.command("bench"))
    .summary("measure this machine, and how close training comes to its limits")
    .description(
      "Measures the limits of this machine, matmuls, training steps and generation, interleaved with other " +
        "programs where given. Needs up to 4 GB (6 with --precision bf16), and some minutes without other work on the machine.",
    )
    .addOption(new Option("--model <name>", "only this model (default: both)").choices(["d12", "baby"]))
    .option("-b, --batch-size <n>", "sequences of a measured step, instead of the usual ones", whole(1, 1024))
    .option("-t, --sequence-length <n>", "tokens of each, instead of the usual ones", whole(1, 1024))
    .addOption(
      new Option("--precision <name>", "also measure the steps with 16-bit storage, where the backend has it").choices(
        precisions,
      ),
    )
    .option("--quick", "fewer shapes and rounds: about a minute")
    .option("--repeats <n>", "rounds; the median is reported (default: 5, with --quick 2)", whole(1, 100))
    .option("--profile", "also time every operation of a training step")
    .option(
      "--against <peer...>",
      "openblas[:LIBRARY], llmc:PROGRAM, torch[:PYTHON], jax; openblas-avx2, torch-avx2, torch-tuned, torch-gpu",
    )
    .option("--contention", "also time the steps beside a busy neighbour: a thread that keeps one core busy")
    .option("--json <file>", "write the full report", output)
    .option("--svg <file>", "write a roofline plot", output)
    .option("--markdown-row", "with --backend webgpu: also print a row for the table of adapters in docs/webgpu.md");
  addGroupOptions(bench)
    .option(
      "--group",
      "instead: a step, the sum of its gradients in the processes of mpirun, and other networks on paper",
    )
    .addHelpText(
      "after",
      examples(
        ["a first look", "llm-ts bench --quick"],
        ["beside OpenBLAS (npm install koffi) and PyTorch", "llm-ts bench --against openblas torch"],
        ["beside llm.c, as you built it", "llm-ts bench --model d12 --against llmc:llm.c/train_gpt2"],
        ["a GPU, beside PyTorch on it", "llm-ts bench --backend webgpu -b 8 -t 1024 --model d12 --against torch-gpu"],
        ["a GPU's steps with 16-bit storage too", "llm-ts bench --backend webgpu --quick --precision bf16"],
        ["jax-js (npm install @jax-js/jax)", "llm-ts bench --quick --model baby --against jax"],
        ["what another program on the machine costs", "llm-ts bench --quick --contention"],
        ["two processes, and which network would be enough", "mpirun -np 2 llm-ts bench --group --model baby"],
        ["a profile of a training step", "llm-ts bench --quick --model baby --profile --svg roofline.svg"],
      ),
    )
    .action(async (flags: BenchFlags, command: Command) => {
      const typed = typedOptions(command);
      if (flags.group) {
        const [{ inGroup }, { runGroupBench }] = await Promise.all([import("../group.ts"), import("./group.ts")]);
        const group = { words: "bench --group", command };
        await inGroup(flags, group, (member) => runGroupBench(flags, member, typed));
        return;
      }
      await requireAlone();
      refuseIdle(typed, groupOptions, "they are about several processes, which --group measures.");
      const { runBench } = await import("./run.ts");
      await runBench(flags);
    });
}

/** UsageError, once a machine, where several processes would measure beside each other. */
async function requireAlone(): Promise<void> {
  const [{ isFirstOnMachine, launcherOf }, { leaveMistakesToOther }, { UsageError }] = await Promise.all([
    import("../../group/mpi/launcher.ts"),
    import("../output.ts"),
    import("../../errors.ts"),
  ]);
  if (!isFirstOnMachine(process.env)) leaveMistakesToOther();
  const { size = 1, name } = launcherOf(process.env) ?? {};
  if (size > 1)
    throw new UsageError(
      `${name} started ${size} processes, which would disturb each other's measurements. Add --group to measure them together, or ` +
        "start llm-ts bench without it.",
    );
}
