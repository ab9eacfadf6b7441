import { texts } from "../language.ts";
import { grouped } from "../parts/numbers.ts";

/** The texts of the Look inside view. */
export const text = texts({
  en: {
    none: {
      title: "Look inside a model",
      about:
        "What does each head look at? Which token comes next, and in which layer does the model know? To see it, there has to be a model in this tab.",
      train: "Train one",
    },
    prompt: {
      title: "Look inside",
      label: "Text for the model to read",
      hint: "Ctrl+Enter looks. Left empty, it is what a text begins after.",
      look: "Look",
      cancel: "Cancel",
      looking: "Reading, layer by layer",
      failed: "This could not be looked at.",
      noTokenizer: "This model has no tokenizer, so it cannot read text. Open it together with its tokenizer.bin.",
      cut: (left: number, taken: number) =>
        `The text has more tokens than can be looked at: the newest ${grouped(taken)} are shown, ${grouped(left)} before them left out.`,
      seenIn: (name: string, step: number | undefined) =>
        step === undefined ? `Seen in ${name}` : `Seen in ${name} after ${grouped(step)} updates`,
      learnedSince: (updates: number) => `${grouped(updates)} more since: look again`,
    },
    tokens: {
      title: (count: number) => (count === 1 ? "1 token" : `${grouped(count)} tokens`),
      hint: "The stronger the shade, the more the model expected this token. Choose one: all below is about it.",
      label: "The prompt’s tokens",
      first: (label: string) => `${label}, token 1: nothing before it to expect it from`,
      token: (label: string, at: number, share: string, rank: number) =>
        `${label}, token ${at}: expected with ${share}, rank ${grouped(rank)}`,
    },
    attention: {
      title: "Attention",
      about:
        "Each head gathers something from earlier tokens. Every row is a token, and shows how much it looks at each one before it.",
      layer: "Layer",
      headOne: "Head",
      heads: "Heads, a row for each layer",
      head: (layer: number, head: number) => `Layer ${layer}, head ${head}`,
      map: "Attention map. Arrow keys read out cells, Enter chooses the token of the row.",
      hint: "Point at a cell, or use the arrow keys.",
      looksAt: (query: string, key: string, share: string) => `‹${query}› looks at ‹${key}›: ${share}`,
      habits: (before: string, itself: string, first: string) =>
        `On average ${before} on the token before, ${itself} on itself, ${first} on the first.`,
      from: (query: string) => `What ‹${query}› looks at`,
      look: (label: string, share: string) => `‹${label}› ${share}`,
      most: (looks: readonly string[]) => `Most at ${looks.join(", ")}.`,
      asTable: "All numbers as a table",
      table: (layer: number, head: number) =>
        `Attention of layer ${layer}, head ${head}: each row’s token looks at the columns’ tokens`,
    },
    next: {
      title: "What comes next",
      came: "came",
      nothingCame: "The text ends here, so nothing came yet.",
    },
    layers: {
      title: "Layer by layer",
      about:
        "What the model would say if it had to answer after each layer: its last layernorm and head, applied to what is there.",
      view: "What the columns are",
      views: { here: "Best five here", around: "Tokens around" },
      captions: {
        here: "The most probable tokens after the chosen one, by layer",
        around: "The most probable next token at several positions, by layer",
      },
      layer: "Layer",
      row: (l: number, L: number) => (l === 0 ? "embedding" : l === L ? `${l}, output` : `${l}`),
      rank: (rank: number) => `${rank}.`,
      came: "came:",
      place: (rank: number) => `#${grouped(rank)}`,
    },
  },
  zh: {
    none: {
      title: "看看模型内部",
      about: "每个注意力头在看什么？下一个词元是什么？模型在第几层就知道了？要看到这些，这个标签页里需要有一个模型。",
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
      seenIn: (name: string, step: number | undefined) =>
        step === undefined ? `所见模型：${name}` : `所见模型：${name}，已更新 ${grouped(step)} 次`,
      learnedSince: (updates: number) => `此后又更新了 ${grouped(updates)} 次：请再看一次`,
    },
    tokens: {
      title: (count: number) => `${grouped(count)} 个词元`,
      hint: "颜色越深，模型越预料到这个词元。选择一个：下面的内容都与它有关。",
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
      look: (label: string, share: string) => `‹${label}› ${share}`,
      most: (looks: readonly string[]) => `最关注 ${looks.join("、")}。`,
      asTable: "以表格显示全部数值",
      table: (layer: number, head: number) => `第 ${layer} 层第 ${head} 头的注意力：每行的词元关注各列的词元`,
    },
    next: {
      title: "接下来是什么",
      came: "实际出现",
      nothingCame: "文本到此为止，后面还没有内容。",
    },
    layers: {
      title: "逐层变化",
      about: "如果模型在每一层之后就必须回答，它会说什么：把最后的层归一化和输出头用于该层的结果。",
      view: "各列是什么",
      views: { here: "此处前五名", around: "附近的词元" },
      captions: { here: "所选词元之后各层最可能的词元", around: "若干位置上各层最可能的下一个词元" },
      layer: "层",
      row: (l: number, L: number) => (l === 0 ? "嵌入" : l === L ? `${l}（输出）` : `${l}`),
      rank: (rank: number) => `第 ${rank}`,
      came: "实际：",
      place: (rank: number) => `第 ${grouped(rank)}`,
    },
  },
});
