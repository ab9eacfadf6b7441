import { texts } from "../language.ts";
import { bytes, grouped, short } from "../parts/numbers.ts";
import type { FieldName } from "../tab/fields.ts";

/** The texts of the left column: what to train. */
export const text = texts({
  en: {
    column: "Set-up",
    text: {
      title: "1. Text",
      label: "What to learn from",
      kinds: { shakespeare: "Shakespeare", text: "Paste", files: "File" },
      shakespeare: "All of tiny Shakespeare, 1.1 MB of plays. It is part of this page.",
      paste: "Your text",
      pasteHint: (most: number) =>
        `At least a few thousand characters; at most ${short(most)}. It stays on this machine.`,
      pasteShort: "Such a short text is soon known by heart; a few thousand characters are better.",
      pasteLong: (most: number) => `Longer than ${short(most)} characters: save it as a file, and choose that.`,
      use: "Use this text",
      drop: "Drop a file here, or",
      chooseFiles: "choose files",
      filesHint: (text: number | undefined, room: number | undefined) =>
        `Any plain text${text === undefined ? "" : ` of at most ${bytes(text)}`}, or token files of llm.c (.bin, with tokenizer.bin if there is one)${
          room === undefined ? "." : `; together at most ${bytes(room)}, the room that this browser has left.`
        }`,
      tooLarge: (name: string, size: number, most: number) =>
        `${name} has ${bytes(size)}. This browser has room for ${bytes(most)}: choose a smaller file, or delete stored runs below.`,
      dropHere: "Drop to learn from it",
      preparing: "Reading and cutting into tokens",
      cancel: "Cancel",
      again: "To change its tokens, give the text again: this one is from an earlier visit.",
      names: { shakespeare: "tiny Shakespeare", text: "pasted text" },
      size: "Size",
      tokens: "Tokens",
      vocabulary: "Different (V)",
      noVal: "Too short for validation: there will be no validation loss.",
      preview: "How it begins",
      failed: "This text cannot be used.",
    },
    tokenizer: {
      title: "2. Tokens",
      label: "What is read and written in one piece",
      names: { char: "Characters", byte: "Bytes", gpt2: "GPT-2", model: "The model’s" },
      about: {
        char: "One token for each character that occurs. Best for small models: there is little to tell apart.",
        byte: "One token for each of the 256 bytes. Writes any text in any script, if a little longer.",
        gpt2: "GPT-2’s 50,257 pieces of words. Texts get short, but the model needs a large table for them.",
        model: "The tokens of the model that is loaded, to train it on another text.",
        unknown: "Token ids, of which nobody knows what they stand for: it can learn them, but not write text.",
      },
    },
    model: {
      title: "3. Model",
      label: "Which model",
      names: { tiny: "tiny", baby: "baby", d6: "d6", d12: "d12", own: "own", opened: "opened" },
      about: {
        tiny: "2 layers, 64 channels: learns to spell",
        baby: "4 layers, 128 channels: nanoGPT’s example for CPUs",
        d6: "6 layers, 384 channels: wants patience",
        d12: "12 layers, 768 channels: the size of GPT-2",
        own: "as you like it",
        opened: (name: string) => `goes on with ${name}`,
        notOpened: "a .bin or .safetensors, to go on with",
      },
      openHint: "A .bin or .safetensors; with it tokenizer.bin or config.json, where there is one.",
    },
    estimate: {
      label: "What it takes",
      parameters: "Parameters",
      memory: "Memory",
      ofMemory: (needed: number, limit: number) => `${bytes(needed)} of ${bytes(limit)}`,
      parts: {
        weights: "weights",
        optimizer: "gradients and moments",
        activations: "activations",
        sampling: "writing",
      },
      step: "An update",
      total: "All",
      unknown: "–",
      fittingBatch: (batch: number) => `A batch of ${grouped(batch)} would fit.`,
      useBatch: "Use it",
      noStorage: (needed: number) =>
        `Its checkpoints take ${bytes(needed)}, more than this browser has room for: it can train, but perhaps not be kept.`,
    },
    training: {
      title: "4. Training",
      summary: (steps: number, batch: number, block: number) =>
        `${grouped(steps)} updates of ${grouped(batch)} × ${grouped(block)} tokens`,
      schedule: "Schedule",
      schedules: { constant: "constant", cosine: "cosine", linear: "linear", wsd: "wsd" },
      defaults: "Back to the defaults",
    },
    fields: {
      labels: {
        layers: "Layers (L)",
        heads: "Heads (NH)",
        channels: "Channels (C)",
        block: "Block (T)",
        steps: "Updates",
        batch: "Batch (B)",
        lr: "Learning rate",
        warmup: "Warm-up",
        weightDecay: "Weight decay",
        gradClip: "Clip at norm",
        seed: "Seed",
        valEvery: "Validate every",
        sampleEvery: "Write every",
        sampleTokens: "Tokens of a text",
      } satisfies Record<FieldName, string>,
      units: { updates: "updates", tokens: "tokens", sequences: "sequences" },
      zero: { never: "0: never", none: "0: none" },
      comma: "; ",
      invalid: (labels: string) => `Not right yet: ${labels}.`,
      longWarmup: (steps: number) =>
        `Longer than the run of ${grouped(steps)} updates: the rate would never reach its peak.`,
      notDivisible: (C: number, NH: number, below: number, above: number) =>
        `${C} channels cannot be shared out to ${NH} heads: each gets the same number. ${
          below > 0 ? `${below} or ${above}` : above
        } would do.`,
    },
  },
  zh: {
    column: "设置",
    text: {
      title: "1. 文本",
      label: "学习什么",
      kinds: { shakespeare: "莎士比亚", text: "粘贴", files: "文件" },
      shakespeare: "完整的 tiny Shakespeare，1.1 MB 的戏剧，已包含在本页中。",
      paste: "你的文本",
      pasteHint: (most: number) => `至少几千个字符，最多 ${short(most)} 个。文本不会离开本机。`,
      pasteShort: "这么短的文本很快就会被背下来，最好有几千个字符。",
      pasteLong: (most: number) => `超过 ${short(most)} 个字符：请存为文件，再选择该文件。`,
      use: "使用这段文本",
      drop: "把文件拖到这里，或",
      chooseFiles: "选择文件",
      filesHint: (text: number | undefined, room: number | undefined) =>
        `任何纯文本${text === undefined ? "" : `（最多 ${bytes(text)}）`}，或 llm.c 的词元文件（.bin，若有 tokenizer.bin 请一并选择）${
          room === undefined ? "。" : `；总共最多 ${bytes(room)}，即浏览器剩余的空间。`
        }`,
      tooLarge: (name: string, size: number, most: number) =>
        `${name} 有 ${bytes(size)}，而浏览器只剩 ${bytes(most)}：请选择更小的文件，或删除下面保存的训练。`,
      dropHere: "松开即可用它来学习",
      preparing: "正在读取并切分为词元",
      cancel: "取消",
      again: "这是上次留下的文本；要更换分词方式，请重新提供文本。",
      names: { shakespeare: "tiny Shakespeare", text: "粘贴的文本" },
      size: "大小",
      tokens: "词元数",
      vocabulary: "词表大小（V）",
      noVal: "文本太短，无法划分验证集，因此没有验证损失。",
      preview: "开头",
      failed: "无法使用这段文本。",
    },
    tokenizer: {
      title: "2. 分词",
      label: "一次读写的单位",
      names: { char: "字符", byte: "字节", gpt2: "GPT-2", model: "模型自带" },
      about: {
        char: "文本中出现的每个字符是一个词元。最适合小模型：需要区分的种类少。",
        byte: "256 个字节各是一个词元。任何文字都能写，只是序列稍长。",
        gpt2: "GPT-2 的 50,257 个子词。序列变短，但模型需要很大的嵌入表。",
        model: "使用已打开的模型自己的词元，以便用另一段文本训练它。",
        unknown: "只有词元编号，不知道各自代表什么：可以学习，但写不出文字。",
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
    estimate: {
      label: "所需资源",
      parameters: "参数量",
      memory: "内存",
      ofMemory: (needed: number, limit: number) => `${bytes(needed)}，上限 ${bytes(limit)}`,
      parts: { weights: "权重", optimizer: "梯度与动量", activations: "激活", sampling: "生成" },
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
        lr: "学习率",
        warmup: "预热",
        weightDecay: "权重衰减",
        gradClip: "梯度裁剪（范数）",
        seed: "随机种子",
        valEvery: "验证间隔",
        sampleEvery: "生成间隔",
        sampleTokens: "每段词元数",
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
