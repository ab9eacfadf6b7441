import { texts } from "../language.ts";
import { grouped } from "../parts/numbers.ts";

/** Texts of the Look inside view. */
export const text = texts({
  en: {
    none: {
      title: "Look inside a model",
      about:
        "What does each head attend to? Which token comes next, and which layer already predicts it? Load a model in this tab to see it.",
      train: "Train one",
    },
    prompt: {
      title: "Look inside",
      label: "Text for the model to read",
      hint: "Press Ctrl+Enter to look. Empty: the token that precedes every text.",
      look: "Look",
      cancel: "Cancel",
      looking: "Reading, layer by layer",
      failed: "Looking inside failed.",
      noTokenizer: "This model has no tokenizer, so it cannot read text. Open it together with its tokenizer.bin.",
      cut: (left: number, taken: number) =>
        `The text is longer than the context: the last ${grouped(taken)} tokens are shown, the ${grouped(left)} before them left out.`,
      inspected: (name: string, step: number | undefined) =>
        step === undefined ? `Model: ${name}` : `Model: ${name} after ${grouped(step)} updates`,
      updatesSince: (updates: number) => `${grouped(updates)} more updates since: look again`,
    },
    tokens: {
      title: (count: number) => (count === 1 ? "1 token" : `${grouped(count)} tokens`),
      hint: "The stronger the shade, the higher the predicted probability. Select a token; everything below refers to it.",
      label: "The prompt’s tokens",
      first: (label: string) => `${label}, token 1: not predicted, since nothing precedes it`,
      token: (label: string, at: number, share: string, rank: number) =>
        `${label}, token ${at}: predicted with ${share}, rank ${grouped(rank)}`,
    },
    attention: {
      title: "Attention",
      about:
        "Each head gathers information from earlier tokens. Each row is a token, and shows how much it attends to itself and each one before it.",
      layer: "Layer",
      headOne: "Head",
      heads: "Heads, a row for each layer",
      head: (layer: number, head: number) => `Layer ${layer}, head ${head}`,
      map: "Attention map. Arrow keys read out cells, Enter selects the token of the row.",
      hint: "Point at a cell, or use the arrow keys.",
      looksAt: (query: string, key: string, share: string) => `‹${query}› attends to ‹${key}›: ${share}`,
      habits: (before: string, itself: string, first: string) =>
        `On average ${before} on the previous token, ${itself} on itself, ${first} on the first.`,
      from: (query: string) => `What ‹${query}› attends to`,
      weight: (label: string, share: string) => `‹${label}› ${share}`,
      most: (strongest: readonly string[]) => `Most to ${strongest.join(", ")}.`,
      asTable: "All numbers as a table",
      table: (layer: number, head: number) =>
        `Attention of layer ${layer}, head ${head}: each row’s token attends to the columns’ tokens`,
    },
    next: {
      title: "Next token",
      actual: "actual",
      noActual: "The text ends here, so the actual next token is unknown.",
    },
    layers: {
      title: "Logit lens",
      about:
        "What the model would predict after each layer: its last layernorm and head, applied to the residual stream there.",
      view: "Columns",
      views: { here: "Top 5 here", around: "Tokens around" },
      captions: {
        here: "The most probable tokens after the selected one, by layer",
        around: "The most probable next token at several positions, by layer",
      },
      layer: "Layer",
      row: (l: number, L: number) => (l === 0 ? "embedding" : l === L ? `${l}, output` : `${l}`),
      rank: (rank: number) => `${rank}.`,
      actual: "actual:",
      place: (rank: number) => `#${grouped(rank)}`,
    },
  },
  zh: {
    none: {
      title: "看看模型内部",
      about: "每个注意力头在关注什么？下一个词元是什么？模型在第几层就知道了？要看到这些，这个标签页里需要有一个模型。",
      train: "训练一个",
    },
    prompt: {
      title: "看看内部",
      label: "让模型读的文本",
      hint: "按 Ctrl+Enter 查看。留空则为文本开头之前的词元。",
      look: "查看",
      cancel: "取消",
      looking: "正在逐层读取",
      failed: "无法查看。",
      noTokenizer: "这个模型没有分词器，无法读取文本。请连同它的 tokenizer.bin 一起打开。",
      cut: (left: number, taken: number) =>
        `文本的词元太多：只显示最后 ${grouped(taken)} 个，前面的 ${grouped(left)} 个被略去。`,
      inspected: (name: string, step: number | undefined) =>
        step === undefined ? `模型：${name}` : `模型：${name}，已更新 ${grouped(step)} 次`,
      updatesSince: (updates: number) => `此后又更新了 ${grouped(updates)} 次：请再看一次`,
    },
    tokens: {
      title: (count: number) => `${grouped(count)} 个词元`,
      hint: "颜色越深，预测概率越高。选择一个词元：下面的内容都与它有关。",
      label: "文本的词元",
      first: (label: string) => `${label}，第 1 个词元：前面没有内容可供预测`,
      token: (label: string, at: number, share: string, rank: number) =>
        `${label}，第 ${at} 个词元：预测概率 ${share}，排名 ${grouped(rank)}`,
    },
    attention: {
      title: "注意力",
      about: "每个头从前面的词元中收集信息。每一行是一个词元，显示它对自己和前面各词元的关注程度。",
      layer: "层",
      headOne: "头",
      heads: "所有注意力头，每行一层",
      head: (layer: number, head: number) => `第 ${layer} 层，第 ${head} 头`,
      map: "注意力图。用方向键读取单元格，按 Enter 选择该行的词元。",
      hint: "指向一个单元格，或使用方向键。",
      looksAt: (query: string, key: string, share: string) => `‹${query}› 关注 ‹${key}›：${share}`,
      habits: (before: string, itself: string, first: string) =>
        `平均 ${before} 关注前一个词元，${itself} 关注自己，${first} 关注第一个。`,
      from: (query: string) => `‹${query}› 在关注什么`,
      weight: (label: string, share: string) => `‹${label}› ${share}`,
      most: (strongest: readonly string[]) => `最关注 ${strongest.join("、")}。`,
      asTable: "以表格显示全部数值",
      table: (layer: number, head: number) => `第 ${layer} 层第 ${head} 头的注意力：每行的词元关注各列的词元`,
    },
    next: {
      title: "下一个词元",
      actual: "实际出现",
      noActual: "文本到此为止，后面还没有内容。",
    },
    layers: {
      title: "Logit lens（逐层预测）",
      about: "模型在每一层之后会预测什么：把最后的层归一化和输出头用于该层的残差流。",
      view: "各列内容",
      views: { here: "此处前五名", around: "附近的词元" },
      captions: { here: "所选词元之后各层最可能的词元", around: "若干位置上各层最可能的下一个词元" },
      layer: "层",
      row: (l: number, L: number) => (l === 0 ? "嵌入" : l === L ? `${l}（输出）` : `${l}`),
      rank: (rank: number) => `第 ${rank}`,
      actual: "实际：",
      place: (rank: number) => `第 ${grouped(rank)}`,
    },
  },
});
