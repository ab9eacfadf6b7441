/**
 * The engine's messages in the page's words: in Chinese for all that a user of the page can meet, and in English where the
 * engine's own sentence names options that only the command has. A message that is not in this table is shown as it is.
 * messages.test.ts makes the engine produce them, so that it fails when their wording changes.
 */
import type { Language } from "../language.ts";

interface Rendering {
  readonly of: RegExp;
  /** Arguments: the groups of `of`. */
  readonly zh: (...groups: string[]) => string;
  readonly en?: (...groups: string[]) => string;
}

/** The first match counts. A message inside another one is rendered as well. */
const renderings: readonly Rendering[] = [
  // --- Messages that hold another one ---
  {
    of: /^step (\d+) could not be saved: (.+) The run continues; .*$/s,
    zh: (step, why) => `第 ${step} 次更新未能保存：${inChinese(why)}训练仍在继续，之前的检查点完好。`,
  },
  {
    of: /^the log cannot be written: (.+) The run continues$/s,
    zh: (why) => `无法写入训练日志：${inChinese(why)}训练仍在继续，日志会在稍后补写。`,
  },
  {
    of: /^the run cannot be kept: (.+) It continues all the same; export its model/s,
    zh: (why) => `这次训练无法保存：${inChinese(why)}训练照常进行，关闭标签页前请下载模型。`,
  },
  {
    of: /^the backend (\S+) is not available here: (.+)\. (\S+) computes instead$/s,
    zh: (name, why, other) => `${name} 后端在这里不可用：${inChinese(why)}改用 ${other}。`,
    en: (name, why, other) =>
      `The ${name} backend is not available here: ${inEnglish(why)}. ${other} computes instead.`,
  },
  {
    of: /^The (?:backend (?!wasm )(\S+) is not available|(\S+) backend cannot be used) here: (.+?)\.(?: Available: .*)?$/s,
    zh: (one, other, why) => `${one ?? other} 后端在这里不可用：${inChinese(why)}`,
    en: (one, other, why) => `The ${one ?? other} backend is not available here: ${inEnglish(why)}.`,
  },
  // --- Storage ---
  {
    of: /^(.+?): the storage that the browser gives to this page is full\./s,
    zh: (path) =>
      `${nameOf(path)}：浏览器分配给本页的存储空间已满。请删除不再需要的训练，或清理磁盘。原有内容没有改动。`,
  },
  {
    of: /^(.+?): the browser does not let this page keep files\./s,
    zh: () => "浏览器不允许本页保存文件。请在网站设置中允许存储数据，或不使用隐私窗口；不保存也可以训练。",
  },
  {
    of: /^This page cannot keep files:/,
    zh: () => "本页无法保存文件：浏览器版本过旧，或地址既非 https:// 也非 localhost。请换用较新的浏览器或其他地址。",
  },
  {
    of: /^(.+?) is being written by another tab or worker\./s,
    zh: (path) => `${nameOf(path)} 正由另一个标签页写入。请等待，或关闭那个标签页。`,
  },
  {
    of: /^(.+?) is held by a tab of this browser, since (\S+)\./s,
    zh: (_, since) => `这次训练正由本浏览器的另一个标签页使用（始于 ${since}）。请在那里继续，或关闭那个标签页。`,
  },
  {
    of: /^(.+?) was changed while it was read\./s,
    zh: (path) => `${nameOf(path)} 在读取时发生了变化。请再试一次。`,
  },
  {
    of: /^(.+) can no longer be read: it was changed or moved\./s,
    zh: (name) => `${name} 已无法读取：选择之后它被修改或移动了。请重新选择。`,
  },
  {
    of: /^(?:The folder )?(.+?) does not exist\. (?:Check the path|Give the folder)/s,
    zh: (path) => `${nameOf(path)} 已不存在：可能在别处被删除了。`,
    en: (path) => `${nameOf(path)} no longer exists: it may have been deleted elsewhere.`,
  },
  {
    of: /^This needs (\S+ MB) in the browser's storage, which has (\S+ MB) left\./,
    zh: (needed, left) => `需要 ${needed} 存储空间，而浏览器只剩 ${left}。请删除不再需要的训练，或选择较短的文本。`,
  },
  // --- Texts ---
  {
    of: /^No file was given\. Choose a text/,
    zh: () => "没有选择文件。请选择文本，或 llm.c 的词元文件。",
  },
  {
    of: /^(.+) is (a model|a debug state of llm\.c's|the state of an optimizer|the HellaSwag questions)(?:: open it, .*)?\. For training, choose/s,
    zh: (name, what) => `${name} 是${fileKinds[what]}，不能用来训练。请选择文本或词元文件。`,
  },
  {
    of: /^(.+) is a tokenizer, and belongs to a token file:/s,
    zh: (name) => `${name} 是分词器，应与词元文件一起选择。`,
  },
  {
    of: /^(.+) is a text, and (.+) a token file\. Choose one kind/s,
    zh: (text, tokens) => `${text} 是文本，而 ${tokens} 是词元文件。请一次只选一种。`,
  },
  {
    of: /^(.+) and (.+) are both training data\./s,
    zh: (one, other) => `${one} 和 ${other} 都是训练数据。请选择一个，另一个的名称中应含有 val。`,
  },
  {
    of: /^The text has (\S+ MB), and (\S+ MB) is the most/,
    zh: (size, most) =>
      `文本有 ${size}，而标签页中最多处理 ${most}。请用命令 llm-ts prepare 处理，再选择它写出的词元文件。`,
  },
  {
    of: /^(.+) is a text in (\S+?)(?: \(or .+?\))?\. Save it as UTF-8/s,
    zh: (name, encoding) => `${name} 是 ${encoding} 文本。请另存为 UTF-8。`,
  },
  {
    of: /^(.+?) is not (?:valid|text).* It seems to be a text in (\S+?)(?: \(or .+?\))?, expected UTF-8/s,
    zh: (name, encoding) => `${name} 似乎是 ${encoding} 文本。请用编辑器另存为 UTF-8。`,
    en: (name, encoding) => `${name} seems to be a text in ${encoding}. Save it as UTF-8 in an editor.`,
  },
  {
    of: /^(.+?) is not text(?:: .*|, but .*)$/s,
    zh: (name) => `${name} 不是文本。请选择 UTF-8 文本，或 llm.c 的词元文件。`,
  },
  {
    of: /^(.+) holds documents with fields, and no plain text\./s,
    zh: (name) => `${name} 是带字段的文档（JSON Lines 或 Parquet），不是纯文本。请用命令 llm-ts prepare 处理。`,
  },
  {
    of: /^(.+?) (?:is not valid UTF-8|looks like .*?|is (?:a text )?in \S+?) ?(?:at byte (\d+) \(line (\d+)\))/s,
    zh: (name, byte, line) =>
      `${name} 不是有效的 UTF-8（第 ${line} 行，第 ${byte} 字节）。请用编辑器另存为 UTF-8，或把分词器改为“字节”，它接受任何内容。`,
    en: (name, byte, line) =>
      `${name} is not valid UTF-8 at byte ${byte} (line ${line}). Save it as UTF-8 in an editor, or choose “Bytes” as the tokenizer, which takes anything.`,
  },
  {
    of: /^The text is too short: /,
    zh: () => "文本太短，无法训练。请换用较长的文本。",
    en: () => "The text is too short to train on. Use a longer one.",
  },
  {
    of: /: the text has more than (\d+) different characters/,
    zh: (most) => `文本中不同的字符超过 ${most} 个，无法让每个字符各成一个词元。请把分词器改为“GPT-2”或“字节”。`,
    en: (most) =>
      `The text has more than ${most} different characters, too many for one token each. Choose “GPT-2” or “Bytes” as the tokenizer.`,
  },
  {
    of: /^(.+): the text is empty\./s,
    zh: () => "文本是空的。请提供训练文本。",
    en: () => "The text is empty. Provide a text to train on.",
  },
  {
    of: /^(.+) has (\d+) tokens, expected at least (\d+) for one batch of/s,
    zh: (name, count, needed) =>
      `${name === "The text" ? "文本" : name} 只有 ${count} 个词元，一批至少需要 ${needed} 个。请换用较长的文本，或减小批大小或上下文长度。`,
    en: (name, count, needed) =>
      `${name} has ${count} tokens, and one batch takes at least ${needed}. Use a longer text, or a smaller batch or block.`,
  },
  {
    of: /^The (\d+) tokens kept for validation are fewer than a batch needs/,
    zh: (count) => `留作验证的 ${count} 个词元不够一批：本次训练不做验证。`,
  },
  {
    of: /^The tokens are those of a (\S+) tokenizer: choose its (tokenizer\.\w+)/,
    zh: (kind, file) => `这些词元来自${tokenizerNames[kind] ?? ` ${kind} `}分词器：请连同它的 ${file} 一起选择。`,
  },
  {
    of: /^(.+): token (\d+) at position (\d+) is not in the model's vocabulary of (\d+)\./s,
    zh: (path, token, position, V) =>
      `${nameOf(path)} 的第 ${position} 个位置是词元 ${token}，而词表只有 ${V} 个词元。请连同它的分词器一起选择。`,
    en: (path, token, position, V) =>
      `${nameOf(path)} holds token ${token} at position ${position}, and there are only ${V} tokens. Choose it together with its tokenizer.`,
  },
  {
    of: /^.+ holds? \d+ tokens, expected \d+ as .+dataset\.json has it/s,
    zh: () => "这些数据文件彼此不一致。请重新准备文本。",
    en: () => "The files of this data do not belong together. Prepare the text again.",
  },
  { of: /^Another text is being prepared\./, zh: () => "正在准备另一段文本。请等待，或取消它。" },
  { of: /^There is no training data yet\./, zh: () => "还没有训练数据。请先选择文本。" },
  { of: /^The data in (.+) is no longer there\./s, zh: () => "这些数据已不存在。请重新准备。" },
  // --- Models and settings ---
  {
    of: /^This run needs (\S+ GB), and the \S+ backend can hold (\S+ GB)/,
    zh: (needed, limit) => `这次训练需要 ${needed} 内存，而上限是 ${limit}。请减小批大小、上下文长度或模型。`,
    en: (needed, limit) =>
      `This run needs ${needed}, and there are ${limit} for it. Choose a smaller batch, block or model.`,
  },
  {
    of: /^\S+ MiB more are needed, but/,
    zh: () => "内存不足。请减小批大小、上下文长度或模型，或关闭其他标签页。",
    en: () => "There is not enough memory. Choose a smaller batch, block or model, or close other tabs.",
  },
  {
    of: /^Cannot reserve 4 GiB/,
    zh: () => "浏览器没有给本页足够的内存地址空间。请关闭其他标签页，再重新载入本页。",
    en: () => "The browser gives this page too little memory. Close other tabs, and reload the page.",
  },
  {
    of: /^A block of (\d+) tokens .*is longer than the model's (\d+) positions/,
    zh: (block, most) => `上下文长度 ${block} 超过了模型的 ${most} 个位置。`,
  },
  {
    of: /^The warm-up is (\d+) updates long, and the run only (\d+)/,
    zh: (warmup, steps) => `预热 ${warmup} 次更新，而全部只有 ${steps} 次：学习率永远到不了峰值。`,
  },
  {
    of: /^There is no model with a tokenizer that can encode text\./,
    zh: () => "没有带分词器、能够读入文本的模型。请连同分词器的文件一起打开一个。",
  },
  { of: /^There is no model yet\./, zh: () => "还没有模型。请训练或打开一个。" },
  { of: /^There is no model to train on:/, zh: () => "没有可继续训练的模型。请先打开一个，或选择新模型。" },
  {
    of: /^(.+) was prepared with another vocabulary than (.+) was trained with:/s,
    zh: (data, model) =>
      `${data === "The text" ? "文本" : data} 的词表与 ${model} 训练时的不同。请在这段文本上训练新模型。`,
  },
  {
    of: /^The (\S+) tokenizer has (\d+) tokens, and the model knows V = (\d+)\./,
    zh: (kind, tokens, V) =>
      `文本的分词器（${tokenizerNames[kind] ?? kind}）有 ${tokens} 个词元，而模型的词表大小是 ${V}。请使用模型训练时的分词器，或训练新模型。`,
  },
  { of: /^A model is being created or opened\./, zh: () => "正在创建或打开模型。请等待。" },
  { of: /^A run is under way\./, zh: () => "训练正在进行。请先停止。" },
  // --- Runs ---
  {
    of: /^In step (\d+) the (.+?)\. .*The update was not made: the weights are those after/s,
    zh: (step) =>
      `第 ${step} 次更新的损失或梯度是 NaN 或无穷大，因此没有执行，权重保持原样。请降低学习率，加上预热，或裁剪梯度（通常为 1）后继续。`,
  },
  {
    of: /^The validation loss is \S+.*The model's weights are damaged/s,
    zh: () => "验证损失是 NaN 或无穷大：权重已损坏。请从完好的检查点继续，降低学习率，或裁剪梯度（通常为 1）。",
  },
  // For runs on a disk the command's own English sentence is better.
  {
    of: /^opfs:\/runs\/(.+)\/config\.json: "version" is .+ Another version of llm-ts wrote this run/s,
    zh: (name) => otherVersion(name),
    en: (name) => `Another version of llm.ts wrote ${name}: resume it with that one, or open its model to train it on.`,
  },
  { of: /^(.+)\/config\.json: "version" is .+ Another version of llm-ts wrote this run/s, zh: otherVersion },
  {
    of: /^opfs:\/runs\/(.+)\/config\.json(?:: "| is damaged| was edited| is not valid JSON| holds no JSON)/s,
    zh: (name) => `${name} 的 config.json 已损坏或被改动，因此无法继续。请打开它的模型来训练，或删除它。`,
    en: (name) =>
      `The settings of ${name} (its config.json) are damaged or were changed, so it cannot be resumed. Open its model to train it on, or delete the run.`,
  },
  {
    of: /^the checkpoint of step (\d+) cannot be used: /,
    zh: (step) => `第 ${step} 次更新的检查点无法使用（文件缺失或已损坏），改用更早的检查点。`,
  },
  {
    of: /^opfs:\/runs\/(.+) has no config\.json: its settings are those that the checkpoint of step (\d+) recorded/s,
    zh: (name, step) => `${name} 没有 config.json，改用第 ${step} 次更新的检查点中记录的设置。`,
    en: (name, step) =>
      `${name} has no config.json: its settings are those that the checkpoint of step ${step} recorded.`,
  },
  { of: /^This run is complete:/, zh: () => "这次训练已经完成。要接着训练，请打开它的模型。" },
  {
    of: /^The data is not what the run in .+ was trained on:/s,
    zh: () => "数据与这次训练当初使用的不同，因此无法继续。",
  },
  { of: /^The run (.+) has saved no model yet\./s, zh: (name) => `${name} 还没有保存过模型。` },
  {
    of: /^(.+) is a device or pipe, where a file is expected\./s,
    zh: (path) => `${nameOf(path)} 是设备或管道，而不是文件。`,
  },
  {
    of: /^(.+): its symbolic links lead in a circle\./s,
    zh: (path) => `${nameOf(path)} 的符号链接首尾相接，无法读取。`,
  },
  {
    of: /^(.+): (?:permission denied|the system does not permit this)\./s,
    zh: (path) => `没有读取 ${nameOf(path)} 的权限。`,
  },
  {
    of: /^(.+) is a link (to something that does not exist|that leads out of|to something else than a file)/s,
    zh: (path, what) => `${nameOf(path)} 是链接，${links[what]}。`,
  },
  { of: /^(.+) holds no run\./s, zh: (path) => `${nameOf(path)} 中没有训练。` },
  { of: /^(.+?) has no line that could be read/s, zh: (path) => `${nameOf(path)} 中没有可读的行：文件为空或已损坏。` },
  {
    of: /^the run computed with the (\S+) backend until now, and resumes with (\S+):/,
    zh: (before, now) => `这次训练之前用 ${before} 计算，现在改用 ${now}：最后几位数字会与原来略有差异。`,
  },
  {
    of: /fused multiply-add/,
    zh: () => "本机与之前的机器在乘加运算上不同，继续训练时最后几位数字会与原来略有差异。",
  },
  // --- Models and their texts ---
  {
    of: /^(.+) and (.+) are both models\./s,
    zh: (one, other) => `${one} 和 ${other} 都是模型。请选择一个；分成多个文件的模型可用命令 llm-ts convert 合并。`,
  },
  {
    of: /^No file was given\. Choose a model/,
    zh: () => "没有选择文件。请选择模型：llm.c 的 .bin 或 .safetensors。",
  },
  {
    of: /^(.+): there is no model among them\./s,
    zh: (names) => `${names}：其中没有模型。请选择 llm.c 的 .bin 或 .safetensors，并附上旁边的 tokenizer.bin。`,
  },
  {
    of: /^(.+) has (\d+) parameters, and the lesson computes with (\d+) at most/s,
    zh: (name, count, most) =>
      `${name} 有 ${count} 个参数，而学习视图最多用 ${most} 个，因为它用普通循环计算。请训练一个更小的，或使用小模型。`,
  },
  {
    of: /^The text is too short: a step needs two tokens/,
    zh: () => "文本太短：一步至少需要两个词元，一个读，一个预测。",
  },
  {
    of: /^The message holds (.+), a special token/s,
    zh: (mark) => `消息中有特殊词元 ${mark}，它会结束或开始一个回合。请去掉它。`,
  },
  {
    of: /^The system prompt holds (.+), a special token/s,
    zh: (mark) => `指示中有特殊词元 ${mark}，它会结束或开始一个回合。请去掉它。`,
  },
  {
    of: /^The system prompt takes (\d+) tokens with the shortest message, and of the model's (\d+) positions (\d+) are left/,
    zh: (tokens, maxT, left) =>
      `指示连同最短的消息有 ${tokens} 个词元，而模型的 ${maxT} 个位置中，除回答外只剩 ${left} 个。请把指示写短一些。`,
  },
  {
    of: /^The message(?: and the system prompt take| takes) (\d+) tokens, and of the model's (\d+) positions (\d+) are left/,
    zh: (tokens, maxT, left) =>
      `消息（连同指示）有 ${tokens} 个词元，而模型的 ${maxT} 个位置中，除回答外只剩 ${left} 个。请写短一些。`,
  },
  {
    of: /^This model has no tokenizer\./,
    zh: () => "这个模型没有分词器，无法读写文本。请连同它的 tokenizer.bin 一起打开。",
    en: () => "This model has no tokenizer, so it cannot read or write text. Open it together with its tokenizer.bin.",
  },
  {
    of: /^(?:.+: )?The character (".*") \((U\+\w+)\) at position (\d+) is not among the (\d+) characters/s,
    zh: (character, code, position, size) =>
      `第 ${Number(position) + 1} 个字符 ${character}（${code}）不在这个模型认识的 ${size} 个字符之中。请去掉它，或用含有它的文本训练。`,
  },
  {
    of: /^The model's output (?:contains|is not finite)/,
    zh: () => "模型的输出是 NaN 或无穷大：权重已损坏。请打开另一个检查点，或用较低的学习率重新训练。",
  },
  { of: /tokens of an unknown tokenizer/, zh: () => "不知道这些词元如何切分文本：可以显示，但不能读入文本。" },
  // --- Damaged or unsupported files ---
  {
    of: /^(.+) does not have the number of attention heads of its (\d+) channels/s,
    zh: (name) => `${name} 没有说明注意力头的数量。请连同它的 config.json 一起选择。`,
    en: (name) => `${name} does not say how many attention heads it has. Choose it together with its config.json.`,
  },
  {
    of: /^(.+): this is a (.+); llm-ts reads GPT2LMHeadModel\./s,
    zh: (name, type) => `${name} 描述的是 ${type}，而这里只支持 GPT-2。`,
  },
  {
    of: /^(.+): tensor .+ is (\w+), which llm-ts does not support; it reads (.+?)\. Give/s,
    zh: (name, type, types) => `${name} 的权重类型是 ${type}，而这里只支持 ${types}。`,
  },
  {
    of: /^(.+): this model does not fit a \.bin: .+ Save it as \.safetensors\./s,
    zh: () => "llm.c 的 .bin 存不下这个模型的结构。请改用 .safetensors。",
  },
  {
    of: /^(.+): its tokens are not bytes \(/s,
    zh: (name) => `${name} 不是 GPT-2 那样的字节级 BPE 分词器，这里无法使用。不选择它，模型仍可处理词元编号。`,
  },
  {
    of: /^(tokenizer\.json|vocab\.json|merges\.txt)(?:: | cannot be read)/,
    zh: (name) => `${name} 已损坏，或不是这里支持的分词器。请重新下载；不选择它，模型仍可处理词元编号。`,
  },
  {
    of: /^(.+) holds \d+ tokens that are not those of the (\S+) tokenizer, as which the dataset\.json/s,
    zh: (name, kind) =>
      `${name} 与旁边的 dataset.json 不一致：其中的词元不属于${tokenizerNames[kind] ?? ` ${kind} `}分词器。`,
  },
  {
    of: /^.+ holds two tokenizers of \d+ tokens that differ, (.+) and (.+)\. Remove/s,
    zh: (one, other) => `${one} 和 ${other} 是两个不同的分词器。请只选择属于这个模型的那一个。`,
    en: (one, other) => `${one} and ${other} are two different tokenizers. Choose only the one that is this model's.`,
  },
  {
    of: /^(.+) (?:holds no JSON object|describes no model: )/s,
    zh: (path) => `${nameOf(path)} 已损坏，或不是 GPT-2 的文件。请重新复制或下载。`,
  },
  { of: /^(.+?)(?:\/config\.json)? is not valid JSON/s, zh: (path) => `${nameOf(path)} 不是有效的 JSON，可能已损坏。` },
  {
    of: /^((?:(?!: ).)+?\.(?:bin|safetensors|json)\b).*(?:damaged|expected|missing|none of GPT-2|Give a GPT-2 model|has \d+ bytes)/s,
    zh: (path) => `${nameOf(path)} 已损坏，或不是 GPT-2 的文件。请重新复制或下载。`,
  },
  // --- The GPU ---
  {
    of: /^this browser has WebGPU, but no GPU for it/,
    zh: () => "浏览器支持 WebGPU，但没有可用的 GPU：可能在设置中关闭了图形加速，或驱动程序被浏览器禁用。",
    en: () =>
      "this browser has WebGPU, but no GPU for it: graphics acceleration is switched off, or the driver is blocked",
  },
  {
    of: /^browsers have WebGPU only in pages from https:/,
    zh: () => "浏览器只为 https:// 或 localhost 的页面提供 WebGPU。",
  },
  { of: /^this browser has no WebGPU, or has it switched off/, zh: () => "浏览器没有 WebGPU，或已将它关闭。" },
  {
    of: /^there is only (.+), software on the CPU/s,
    zh: (name) =>
      `这里只有 ${name}，它是在 CPU 上运行的软件，比直接用 CPU 更慢。如仍想试用，请在地址后加上 ?fallback-adapter。`,
    en: (name) =>
      `there is only ${name}, software on the CPU, which is slower than the CPU itself. To try it all the same, add ?fallback-adapter to the address of this page`,
  },
  { of: /^asking for a GPU failed: (.+)$/s, zh: (why) => `浏览器无法提供 GPU（${why}）。` },
  {
    of: /^(.+) has a (\w+) of (\d+), and (\d+) are needed$/s,
    zh: (name, limit, found, needed) => `${name} 的 ${limit} 是 ${found}，而这里需要 ${needed}。`,
  },
  {
    of: /^(.+) was lost: .+ Its driver was reset/s,
    zh: (name) =>
      `${name} 已丢失：驱动程序被重置或更新、内存不足，或一次计算太久。保存过的文件完好：请从最近的检查点继续；若再次发生，请减小批大小，或改用 CPU。`,
    en: (name) =>
      `${name} was lost: its driver was reset or updated, it ran out of memory, or a computation took too long. Saved files are intact: resume from the last checkpoint. If it happens again, choose a smaller batch, or the CPU.`,
  },
  {
    of: /^(.+) is out of memory: it had no (\S+ MiB) left/s,
    zh: (name, bytes) => `${name} 内存不足，无法再分配 ${bytes}。请减小批大小、上下文长度或模型，或改用 CPU。`,
    en: (name, bytes) =>
      `${name} is out of memory: it had no ${bytes} left. Choose a smaller batch, block or model, or the CPU.`,
  },
  {
    of: /^(.+) refused a command: (.+?) Please report this/s,
    zh: (name, why) => `${name} 拒绝了一个命令（${why}）。这是 llm.ts 的错误，请报告，并改用 CPU。`,
    en: (name, why) => `${name} refused a command: ${why} Please report this, and choose the CPU.`,
  },
  {
    of: /^(.+) computes wrong: (.+?)\. Update its driver/s,
    zh: (name, what) => `${name} 的计算结果有误（${what}）。请更新驱动程序，或改用 CPU。`,
    en: (name, what) => `${name} computes wrong: ${what}. Update its driver, or choose the CPU.`,
  },
  {
    of: /^A tensor of (\S+ MiB) exceeds the largest buffer of (.+), (\S+ MiB)/s,
    zh: (bytes, name, most) =>
      `模型的一个张量有 ${bytes}，而 ${name} 的缓冲区最大为 ${most}。请减小批大小、上下文长度或模型，或改用 CPU。`,
    en: (bytes, name, most) =>
      `A tensor of this model has ${bytes}, and the largest buffer of ${name} ${most}. Choose a smaller batch, block or model, or the CPU.`,
  },
  {
    of: /^This run needs (\S+ GB) (?:in one piece|at once \(.+?\)), and an? (?:buffer|operation) of the \S+ backend (?:can hold|takes) (\S+ GB)/,
    zh: (needed, most) =>
      `这次训练需要一块 ${needed} 的内存，而 GPU 一次最多处理 ${most}。请减小批大小、上下文长度或模型。`,
    en: (needed, most) =>
      `This run needs ${needed} in one piece, and the GPU takes ${most}. Choose a smaller batch, block or model.`,
  },
  // --- The machine ---
  {
    of: /^Worker thread \d+ of \d+ failed/,
    zh: () => "一个计算线程出错，模型已丢失；保存过的文件完好。请从最近的检查点继续。",
    en: () => "A worker thread failed, and the model is lost; saved files are intact. Resume from the last checkpoint.",
  },
  {
    of: /^The worker that computes was lost/,
    zh: () => "计算进程已终止，可能是内存不足。请重新载入本页，从最近一次保存处继续。",
  },
  {
    of: /^A kernel failed: /,
    zh: () => "计算内核出错，模型已丢失；保存过的文件完好。这是 llm.ts 的错误，请报告，并从最近的检查点继续。",
    en: () =>
      "A kernel failed, and the model is lost; saved files are intact. This is a bug in llm.ts: please report it, and resume from the last checkpoint.",
  },
  {
    of: /^The kernels of llm-ts cannot be loaded: /,
    zh: () => "无法载入计算内核：连接中断，或页面已更新。请重新载入本页。",
    en: () => "The WebAssembly kernels cannot be loaded: no connection, or a new version of the page. Reload the page.",
  },
  {
    of: /^\S+\.wasm, the kernels that compute, cannot be compiled/,
    zh: () => "无法编译计算内核：浏览器可能过旧，不支持 WebAssembly SIMD。请换用较新的浏览器。",
    en: () =>
      "The WebAssembly kernels cannot be compiled: this browser may be too old for WebAssembly SIMD. Use a newer one.",
  },
  {
    of: /^threads must be a whole number from 1 to (\d+), not (.+)\.$/,
    zh: (most, found) => `地址中的 threads 是 ${found}，应为 1 到 ${most} 的整数。`,
  },
  {
    of: /^The kernel (\S+) cannot be used here: /,
    zh: (name) => `内核 ${name} 在这里无法使用。请去掉地址中的 kernel 参数。`,
    en: (name) => `The kernel ${name} cannot be used here. Take it out of this page's address.`,
  },
  {
    of: /^The backend (\S+) is not available here: (.+?)\. Available: /,
    zh: (name) => `计算后端 ${name} 在这里无法使用。请换用较新的浏览器；如果禁用了 WebAssembly，请重新启用。`,
    en: (name, why) => `The ${name} backend is not available here: ${why}. Use a newer browser, or allow WebAssembly.`,
  },
  { of: /^There is no kernel "(.+?)"/, zh: (name) => `没有名为 ${name} 的内核。请去掉地址中的 kernel 参数。` },
  {
    of: /^No kernel computes right on this machine/,
    zh: () => "本机没有能正确计算的内核。请换用其他浏览器，并报告此问题。",
  },
];

const links: Readonly<Record<string, string>> = {
  "to something that does not exist": "而它指向的文件不存在",
  "that leads out of": "指向所示文件夹之外，因此没有读取",
  "to something else than a file": "而它指向的不是文件",
};

const fileKinds: Readonly<Record<string, string>> = {
  "a model": "模型（可以打开它来生成或继续训练）",
  "a debug state of llm.c's": " llm.c 的调试状态",
  "the state of an optimizer": "优化器状态",
  "the HellaSwag questions": " HellaSwag 题目",
};

const tokenizerNames: Readonly<Record<string, string>> = { char: "字符", byte: "字节", gpt2: "GPT-2" };

/** A path relative to the storage's root, as users of the page know it. */
function nameOf(path: string): string {
  return path.replace(/^opfs:\/(runs\/|data\/)?/, "");
}

function otherVersion(path: string): string {
  return `${nameOf(path)} 由另一个版本的 llm.ts 写入。请用那个版本继续，或打开它的模型来训练。`;
}

function inChinese(message: string): string {
  return messageIn("zh", message) ?? message;
}

function inEnglish(message: string): string {
  return messageIn("en", message) ?? message;
}

/** A message in a language of the page; undefined if the table has none. */
export function messageIn(language: Language, message: string): string | undefined {
  for (const { of, zh, en } of renderings) {
    const found = of.exec(message);
    if (found) return (language === "zh" ? zh : en)?.(...found.slice(1));
  }
  return undefined;
}
