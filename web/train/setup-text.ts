import { texts } from "../language.ts";
import { bytes, grouped, short } from "../parts/numbers.ts";
import type { FieldName } from "../store/fields.ts";

/** Texts of the Train view's left column: data, model and settings. */
export const text = texts({
  en: {
    column: "Setup",
    text: {
      title: "1. Text",
      label: "Training text",
      kinds: { shakespeare: "Shakespeare", text: "Paste", files: "File" },
      shakespeare: "All of tiny Shakespeare, 1.1 MB of plays. It is part of this page.",
      paste: "Your text",
      pasteHint: (most: number) =>
        `At least a few thousand characters; at most ${short(most)}. It stays on this machine.`,
      pasteShort: "The model will soon memorize such a short text; a few thousand characters are better.",
      pasteLong: (most: number) => `Longer than ${short(most)} characters: save it as a file, and choose that.`,
      use: "Use this text",
      drop: "Drop a file here, or",
      chooseFiles: "choose files",
      filesHint: (text: number | undefined, space: number | undefined) =>
        `Any plain text${text === undefined ? "" : ` of at most ${bytes(text)}`}, or token files of llm.c (.bin, with tokenizer.bin if there is one)${
          space === undefined ? "." : `; together at most ${bytes(space)}, the space left in this browser.`
        }`,
      tooLarge: (name: string, size: number, most: number) =>
        `${name} has ${bytes(size)}, and this browser has space for ${bytes(most)}: choose a smaller file, or delete stored runs below.`,
      dropHere: "Drop to train on it",
      preparing: "Reading and tokenizing",
      cancel: "Cancel",
      again: "To change the tokenizer, provide the text again: this one is from an earlier visit.",
      names: { shakespeare: "tiny Shakespeare", text: "pasted text" },
      size: "Size",
      tokens: "Tokens",
      vocabulary: "Vocabulary (V)",
      noVal: "Too short for validation: there will be no validation loss.",
      preview: "Beginning",
      failed: "This text cannot be used.",
    },
    tokenizer: {
      title: "2. Tokenizer",
      label: "Tokenizer",
      names: { char: "Characters", byte: "Bytes", bpe: "Its own subwords", gpt2: "GPT-2", model: "The model’s" },
      about: {
        char: "One token for each character that occurs. Best for small models: the vocabulary is small.",
        byte: "One token for each of the 256 bytes. Encodes any text in any script, in longer sequences.",
        bpe: "Subwords learned from this text (BPE), 512 to 8,192 of them by its length. Short sequences in any language.",
        gpt2: "GPT-2’s 50,257 subword tokens. Sequences are short, but the embedding table is large.",
        model: "The loaded model’s own tokenizer, to train it on another text.",
        huggingface: "A model’s own tokenizer.",
        unknown: "Token ids without a known tokenizer: a model can be trained on them, but not write text.",
      },
    },
    model: {
      title: "3. Model",
      label: "Which model",
      names: { tiny: "tiny", baby: "baby", d6: "d6", d12: "d12", own: "own", opened: "opened" },
      about: {
        tiny: "2 layers, 64 channels: learns to spell",
        baby: "4 layers, 128 channels: nanoGPT’s example for CPUs",
        d6: "6 layers, 384 channels: takes patience",
        d12: "12 layers, 768 channels: the size of GPT-2",
        own: "sizes of your choice",
        opened: (name: string) => `continues training ${name}`,
        notOpened: "a .bin or .safetensors, to train further",
      },
      openHint: "A .bin or .safetensors; with it tokenizer.bin or config.json, where there is one.",
    },
    processor: {
      label: "Compute on",
      auto: "Auto",
      untimed: "At the start, one update is timed on each, and the faster is taken.",
      timed: (times: string) => `One update: ${times}.`,
      taken: (processor: string) => `“Auto” takes the ${processor}.`,
      faster: (processor: string) => `The ${processor} would be faster.`,
      only: (processor: string) => `Only the ${processor} is available here.`,
      starting: "Preparing the kernels …",
      missing: (processor: string) => `Why not the ${processor}?`,
      failed: "It cannot be used.",
      howTo: {
        chromium:
          "Chrome, Edge and their relatives have WebGPU since version 113 (on Android 121, on Linux 144 for Intel’s newer GPUs and 147 for NVIDIA’s). Switch graphics acceleration on in chrome://settings/system, and restart the browser. chrome://gpu says why WebGPU is off; where the GPU is not supported yet, the flag chrome://flags/#enable-unsafe-webgpu may switch it on, at your own risk.",
        firefox:
          "Firefox has WebGPU since version 141 on Windows, and since 147 on Macs with Apple’s own processors (145 on macOS 26). Elsewhere a newer version or Firefox Nightly may have it. about:support says why a GPU is not used.",
        safari:
          "Safari has WebGPU since version 26, and so has every browser on an iPhone or iPad with that system. In Safari 17 and 18 on a Mac it is a feature flag: Settings, Advanced, “Show features for web developers”, then Feature Flags, WebGPU.",
        other: "Current versions of Chrome, Edge, Firefox and Safari have WebGPU on most systems.",
      },
    },
    estimate: {
      label: "Resources",
      parameters: "Parameters",
      memory: "Memory",
      ofMemory: (needed: number, limit?: number) =>
        limit === undefined ? bytes(needed) : `${bytes(needed)} of ${bytes(limit)}`,
      parts: {
        weights: "weights",
        optimizer: "gradients and moments",
        activations: "activations",
        sampling: "sampling",
      },
      step: "Per update",
      total: "Total",
      unknown: "–",
      fittingBatch: (batch: number) => `A batch of ${grouped(batch)} would fit.`,
      useBatch: "Use it",
      noStorage: (needed: number) =>
        `Its checkpoints take ${bytes(needed)}, more than the space left in this browser: it can be trained, but perhaps not saved.`,
    },
    training: {
      title: "4. Training",
      summary: (steps: number, batch: number, block: number) =>
        `${grouped(steps)} updates of ${grouped(batch)} × ${grouped(block)} tokens`,
      schedule: "Schedule",
      schedules: { constant: "constant", cosine: "cosine", linear: "linear", wsd: "wsd" },
      defaults: "Reset to defaults",
    },
    fields: {
      labels: {
        layers: "Layers (L)",
        heads: "Heads (NH)",
        channels: "Channels (C)",
        block: "Block (T)",
        steps: "Updates",
        batch: "Batch (B)",
        learningRate: "Learning rate",
        warmupSteps: "Warm-up",
        weightDecay: "Weight decay",
        gradClip: "Clip at norm",
        seed: "Seed",
        valEvery: "Validate every",
        sampleEvery: "Sample every",
        sampleTokens: "Sample length",
      } satisfies Record<FieldName, string>,
      units: { updates: "updates", tokens: "tokens", sequences: "sequences" },
      zero: { never: "0: never", none: "0: none" },
      comma: "; ",
      invalid: (labels: string) => `Please correct: ${labels}.`,
      longWarmup: (steps: number) =>
        `Longer than the run of ${grouped(steps)} updates: the learning rate would never reach its peak.`,
      notDivisible: (C: number, NH: number, below: number, above: number) =>
        `${C} channels cannot be divided evenly among ${NH} heads. Use ${below > 0 ? `${below} or ${above}` : above}.`,
    },
  },
  zh: {
    column: "设置",
    text: {
      title: "1. 文本",
      label: "训练文本",
      kinds: { shakespeare: "莎士比亚", text: "粘贴", files: "文件" },
      shakespeare: "完整的 tiny Shakespeare，1.1 MB 的戏剧，已包含在本页中。",
      paste: "你的文本",
      pasteHint: (most: number) => `至少几千个字符，最多 ${short(most)} 个。文本不会离开本机。`,
      pasteShort: "这么短的文本很快就会被背下来，最好有几千个字符。",
      pasteLong: (most: number) => `超过 ${short(most)} 个字符：请存为文件，再选择该文件。`,
      use: "使用这段文本",
      drop: "把文件拖到这里，或",
      chooseFiles: "选择文件",
      filesHint: (text: number | undefined, space: number | undefined) =>
        `任何纯文本${text === undefined ? "" : `（最多 ${bytes(text)}）`}，或 llm.c 的词元文件（.bin，若有 tokenizer.bin 请一并选择）${
          space === undefined ? "。" : `；总共最多 ${bytes(space)}，即浏览器剩余的空间。`
        }`,
      tooLarge: (name: string, size: number, most: number) =>
        `${name} 有 ${bytes(size)}，而浏览器只剩 ${bytes(most)}：请选择更小的文件，或删除下面保存的训练。`,
      dropHere: "松开即可用它来训练",
      preparing: "正在读取并切分为词元",
      cancel: "取消",
      again: "这是上次留下的文本；要更换分词器，请重新提供文本。",
      names: { shakespeare: "tiny Shakespeare", text: "粘贴的文本" },
      size: "大小",
      tokens: "词元数",
      vocabulary: "词表大小（V）",
      noVal: "文本太短，无法划分验证集，因此没有验证损失。",
      preview: "开头",
      failed: "无法使用这段文本。",
    },
    tokenizer: {
      title: "2. 分词器",
      label: "分词器",
      names: { char: "字符", byte: "字节", bpe: "自训子词", gpt2: "GPT-2", model: "模型自带" },
      about: {
        char: "文本中出现的每个字符是一个词元。最适合小模型：词表很小。",
        byte: "256 个字节各是一个词元。任何文字都能写，只是序列稍长。",
        bpe: "从这段文本学到的子词（BPE），按长度取 512 到 8,192 个。任何语言的序列都变短。",
        gpt2: "GPT-2 的 50,257 个子词。序列变短，但模型需要很大的嵌入表。",
        model: "使用已载入模型自带的分词器，以便用另一段文本训练它。",
        huggingface: "模型自带的分词器。",
        unknown: "只有词元编号，不知道分词器：可以用来训练，但写不出文字。",
      },
    },
    model: {
      title: "3. 模型",
      label: "选择模型",
      names: { tiny: "tiny", baby: "baby", d6: "d6", d12: "d12", own: "自定义", opened: "已打开" },
      about: {
        tiny: "2 层，64 通道：学会拼写",
        baby: "4 层，128 通道：nanoGPT 的 CPU 示例",
        d6: "6 层，384 通道：需要耐心",
        d12: "12 层，768 通道：与 GPT-2 同样大小",
        own: "自己决定各项尺寸",
        opened: (name: string) => `从 ${name} 继续`,
        notOpened: "打开 .bin 或 .safetensors，在其基础上继续",
      },
      openHint: ".bin 或 .safetensors；若有 tokenizer.bin 或 config.json，请一并选择。",
    },
    processor: {
      label: "计算设备",
      auto: "自动",
      untimed: "开始训练时会在两者上各做一次更新，选用较快的。",
      timed: (times: string) => `每次更新：${times}。`,
      taken: (processor: string) => `“自动”选用 ${processor}。`,
      faster: (processor: string) => `${processor} 会更快。`,
      only: (processor: string) => `这里只能用 ${processor}。`,
      starting: "正在准备计算内核……",
      missing: (processor: string) => `为什么不能用 ${processor}？`,
      failed: "无法使用。",
      howTo: {
        chromium:
          "Chrome、Edge 等 Chromium 浏览器从 113 版起支持 WebGPU（Android 从 121 版；Linux 上较新的 Intel GPU 从 144 版，NVIDIA 从 147 版）。请在 chrome://settings/system 中打开图形加速，然后重新启动浏览器。chrome://gpu 会说明 WebGPU 为何关闭；如果尚不支持你的 GPU，可以尝试 chrome://flags/#enable-unsafe-webgpu，风险自负。",
        firefox:
          "Firefox 在 Windows 上从 141 版起支持 WebGPU，在 Apple 芯片的 Mac 上从 147 版起（macOS 26 从 145 版）。其他系统上，更新的版本或 Firefox Nightly 可能支持。about:support 会说明为何不使用 GPU。",
        safari:
          "Safari 从 26 版起支持 WebGPU，iPhone 和 iPad 系统从 26 版起，其中所有浏览器都支持。Mac 上的 Safari 17 和 18 需要打开功能标志：设置、高级、“显示网页开发者功能”，然后在“功能标志”中打开 WebGPU。",
        other: "较新版本的 Chrome、Edge、Firefox 和 Safari 在多数系统上支持 WebGPU。",
      },
    },
    estimate: {
      label: "所需资源",
      parameters: "参数量",
      memory: "内存",
      ofMemory: (needed: number, limit?: number) =>
        limit === undefined ? bytes(needed) : `${bytes(needed)}，上限 ${bytes(limit)}`,
      parts: { weights: "权重", optimizer: "梯度与动量", activations: "激活", sampling: "采样" },
      step: "每次更新",
      total: "总共",
      unknown: "–",
      fittingBatch: (batch: number) => `批大小改为 ${grouped(batch)} 就放得下。`,
      useBatch: "就用它",
      noStorage: (needed: number) => `检查点需要 ${bytes(needed)}，超过浏览器的剩余空间：可以训练，但可能无法保存。`,
    },
    training: {
      title: "4. 训练",
      summary: (steps: number, batch: number, block: number) =>
        `${grouped(steps)} 次更新，每次 ${grouped(batch)} × ${grouped(block)} 个词元`,
      schedule: "学习率调度",
      schedules: { constant: "恒定", cosine: "余弦", linear: "线性", wsd: "WSD" },
      defaults: "恢复默认值",
    },
    fields: {
      labels: {
        layers: "层数（L）",
        heads: "注意力头（NH）",
        channels: "通道数（C）",
        block: "上下文长度（T）",
        steps: "更新次数",
        batch: "批大小（B）",
        learningRate: "学习率",
        warmupSteps: "预热",
        weightDecay: "权重衰减",
        gradClip: "梯度裁剪（范数）",
        seed: "随机种子",
        valEvery: "验证间隔",
        sampleEvery: "样本间隔",
        sampleTokens: "样本长度",
      },
      units: { updates: "单位：次更新", tokens: "单位：词元", sequences: "单位：条序列" },
      zero: { never: "0：从不", none: "0：不裁剪" },
      comma: "；",
      invalid: (labels: string) => `请先改正：${labels}。`,
      longWarmup: (steps: number) => `预热长于全部 ${grouped(steps)} 次更新，学习率永远到不了峰值。`,
      notDivisible: (C: number, NH: number, below: number, above: number) =>
        `${C} 个通道无法平均分给 ${NH} 个头；可以改为 ${below > 0 ? `${below} 或 ${above}` : above}。`,
    },
  },
});
