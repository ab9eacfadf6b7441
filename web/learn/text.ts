import { texts } from "../language.ts";
import { grouped } from "../parts/numbers.ts";

/** Texts of the Learn view. Chapters are in docs/learn; names of tensors and formulas are the same in all languages. */
export const text = texts({
  en: {
    title: "Learn GPT-2",
    notLoaded: "This view could not be loaded.",
    book: { chapter: "Chapter", ends: "Previous and next chapter", toLive: "To the model and the exercises" },
    model: {
      title: "The lesson’s model",
      about:
        "Everything below is one training step of this model on this text, with its numbers. Steps change nothing in the tab’s own model.",
      source: "Model",
      sources: { own: "Small: 2 layers, 16 channels", tab: (name: string) => `A copy of ${name}` },
      tooLarge: (name: string, most: number) =>
        `${name} is too large for plain loops: at most ${grouped(most)} parameters. This is the small model.`,
      text: "Text to learn from",
      textHint: "Its first 33 tokens: each position is to predict the next one. Ctrl+Enter computes.",
      step: "Compute a step",
      train: (updates: number) => `Train ${updates} updates on it`,
      startOver: "Start over",
      busy: { stepping: "Computing the step…", training: "Training…" },
      failed: "The step could not be computed.",
      sizes: (name: string | undefined, L: number, NH: number, C: number, parameters: number) =>
        `${name ?? "Small model"}: ${L} layers, ${NH} heads, ${C} channels, ${grouped(parameters)} parameters.`,
      updates: (updates: number) => (updates === 0 ? "Untrained." : `${grouped(updates)} updates so far.`),
      loss: (loss: string) => `Loss ${loss}.`,
      fell: (from: string, to: string) => `In the last training it fell from ${from} to ${to}.`,
      cut: (taken: number, cut: number) => `The first ${taken} tokens are used; ${cut} behind them are not.`,
      tokens: "The text’s tokens",
      tokensHint:
        "The stronger the shade, the larger the loss of predicting what comes next. Select a token: the pictures mark it.",
      token: (name: string, t: number, next: string, loss: string) =>
        `‹${name}›, position ${t}: the next one, ‹${next}›, has loss ${loss}`,
    },
    step: {
      title: "One training step",
      about: (count: number) =>
        `${count} tensors, in the order of computation: forward, backward, update. Beside each stands its gradient. Blue is positive, orange negative.`,
      tensor: "Tensor",
      ofChapter: "Of this chapter",
      others: "All others",
      operation: "Place in the step",
      of: (at: number, count: number) => `${at} of ${count}`,
      given: "given",
      before: "Previous tensor",
      next: "Next tensor",
      head: "Head",
      isGiven: "Given at the beginning: no operation of the step computes it.",
      norm: "norm",
      largest: "largest",
      map: (name: string) =>
        `Picture of ${name}. Arrow keys read out cells, Enter selects the row’s token or the weight.`,
      hint: "Point at a cell, touch it, or use the arrow keys.",
    },
    gradients: {
      title: "Gradients through the layers",
      about: "The norm of each gradient, from the loss (top) back to the embedding.",
      stream: "Of the residual stream",
      weights: "Of the matrices",
      norm: (norm: string, scale: string, isClipped: boolean) =>
        isClipped
          ? `The norm of all gradients is ${norm}: they are clipped, multiplied by ${scale}.`
          : `The norm of all gradients is ${norm}: no more than 1, so nothing is clipped.`,
    },
    asks: {
      title: (name: string, next: string) => `What predicting ‹${next}› after ‹${name}› asks`,
      about:
        "The gradient of this one token’s loss, at every position: how much it would gain if the numbers there changed. It goes back to earlier positions through attention alone.",
      stream: "Residual stream, behind each layer",
      heads: "Each head: its query, key and value",
      keys: "Arrow keys read out cells, Enter selects the token.",
      embedding: "embedding",
      layer: (l: number) => `layer ${l}`,
      head: (l: number, h: number) => `${l}, head ${h}`,
      cell: (row: string, name: string, norm: string) => `${row}, ‹${name}›: norm ${norm}`,
      hint: "Point at a cell, touch it, or use the arrow keys.",
      most: (loss: string, next: string, name: string) =>
        `The loss of ‹${next}› is ${loss}. Of the earlier tokens, the heads are asked most of ‹${name}›.`,
    },
    update: {
      title: "A weight’s update",
      about: "The first update of AdamW, whose moments begin at 0. Click a cell of a weight’s picture to choose it.",
      tensor: "Weights",
      element: "Element",
      range: (last: number) => `A whole number from 0 to ${grouped(last)}.`,
      rows: {
        before: "the weight before",
        gradient: "its gradient: by how much the loss rises when it does",
        clipped: (scale: string) => `clipped: times ${scale}`,
        m: "first moment: 0.1 of the gradient",
        v: "second moment: 0.01 of its square",
        change: (lr: string, decay: string) =>
          `against the gradient, by the learning rate ${lr}, whatever its size; matrices decay by ${lr} · ${decay} of themselves too`,
        after: "the weight after",
      },
    },
    exercise: {
      title: "Exercises",
      about:
        "Write the layers yourself. Your code runs in a thread of its own, ten seconds at most, and stays in this browser.",
      solved: (count: number, all: number) => `${count} of ${all} right`,
      which: "Exercise",
      code: "Your code",
      codeHint: "TypeScript or JavaScript. Ctrl+Enter checks.",
      check: "Check",
      judging: "Running…",
      hint: (shown: number, all: number) => (shown < all ? `Hint ${shown + 1} of ${all}` : "No more hints"),
      restart: "Begin it again",
      undo: "Bring my code back",
      right: "Right.",
      times: (times: string, goal: number, isReached: boolean) =>
        isReached
          ? `${times} times as fast as it was.`
          : `${times} times as fast as it was; the goal is ${goal} times.`,
      untouched: "Still as it was written: fill in the function.",
      changed: "You have changed the code since.",
      failed: "The exercise could not be checked.",
    },
  },
  zh: {
    title: "学习 GPT-2",
    notLoaded: "无法加载这个视图。",
    book: { chapter: "章节", ends: "上一章和下一章", toLive: "到模型和练习" },
    model: {
      title: "本课的模型",
      about: "下面的一切，都是这个模型在这段文本上的一步训练，数字俱全。这些计算不会改动标签页里的模型。",
      source: "模型",
      sources: { own: "小模型：2 层，16 个通道", tab: (name: string) => `${name} 的副本` },
      tooLarge: (name: string, most: number) =>
        `${name} 太大，普通循环最多只能计算 ${grouped(most)} 个参数。这里用的是小模型。`,
      text: "用来学习的文本",
      textHint: "取前 33 个词元：每个位置预测下一个。按 Ctrl+Enter 计算。",
      step: "计算一步",
      train: (updates: number) => `在这段文本上训练 ${updates} 次更新`,
      startOver: "重新开始",
      busy: { stepping: "正在计算这一步……", training: "正在训练……" },
      failed: "这一步无法计算。",
      sizes: (name: string | undefined, L: number, NH: number, C: number, parameters: number) =>
        `${name ?? "小模型"}：${L} 层，${NH} 个头，${C} 个通道，${grouped(parameters)} 个参数。`,
      updates: (updates: number) => (updates === 0 ? "未经训练。" : `已更新 ${grouped(updates)} 次。`),
      loss: (loss: string) => `损失 ${loss}。`,
      fell: (from: string, to: string) => `上次训练中从 ${from} 降到 ${to}。`,
      cut: (taken: number, cut: number) => `只用前 ${taken} 个词元，后面的 ${cut} 个没有用到。`,
      tokens: "文本的词元",
      tokensHint: "颜色越深，预测下一个词元的损失越大。选择一个词元，各图会标出它。",
      token: (name: string, t: number, next: string, loss: string) =>
        `‹${name}›，位置 ${t}：下一个是 ‹${next}›，损失 ${loss}`,
    },
    step: {
      title: "一步训练",
      about: (count: number) =>
        `${count} 个张量，按计算顺序：前向、反向、更新。每个张量旁边是它的梯度。蓝色为正，橙色为负。`,
      tensor: "张量",
      ofChapter: "本章的",
      others: "其他全部",
      operation: "在这一步中的位置",
      of: (at: number, count: number) => `第 ${at} 个，共 ${count} 个`,
      given: "已给定",
      before: "上一个张量",
      next: "下一个张量",
      head: "头",
      isGiven: "一开始就给定：不是由这一步的运算得出的。",
      norm: "范数",
      largest: "最大",
      map: (name: string) => `${name} 的图。用方向键读取单元格，按 Enter 选择该行的词元或该权重。`,
      hint: "指向或触摸一个单元格，或使用方向键。",
    },
    gradients: {
      title: "各层的梯度",
      about: "每个梯度的范数，从损失（最上）回到嵌入。",
      stream: "残差流的",
      weights: "矩阵的",
      norm: (norm: string, scale: string, isClipped: boolean) =>
        isClipped
          ? `所有梯度的范数是 ${norm}：因此裁剪，乘以 ${scale}。`
          : `所有梯度的范数是 ${norm}：不超过 1，无需裁剪。`,
    },
    asks: {
      title: (name: string, next: string) => `在 ‹${name}› 之后预测 ‹${next}›，要求什么`,
      about: "这一个词元的损失在每个位置上的梯度：那里的数字改变时，损失会改变多少。它只能通过注意力回到前面的位置。",
      stream: "残差流，每层之后",
      heads: "每个头：它的 query、key 和 value",
      keys: "用方向键读取单元格，按 Enter 选择词元。",
      embedding: "嵌入",
      layer: (l: number) => `第 ${l} 层`,
      head: (l: number, h: number) => `${l} 层 ${h} 头`,
      cell: (row: string, name: string, norm: string) => `${row}，‹${name}›：范数 ${norm}`,
      hint: "指向或触摸一个单元格，或使用方向键。",
      most: (loss: string, next: string, name: string) =>
        `‹${next}› 的损失是 ${loss}。在前面的词元中，各个头对 ‹${name}› 要求最多。`,
    },
    update: {
      title: "一个权重的更新",
      about: "AdamW 的第一次更新，动量从 0 开始。点击权重图中的单元格即可选择它。",
      tensor: "权重",
      element: "元素",
      range: (last: number) => `从 0 到 ${grouped(last)} 的整数。`,
      rows: {
        before: "更新前的权重",
        gradient: "它的梯度：它增大时损失增大多少",
        clipped: (scale: string) => `裁剪：乘以 ${scale}`,
        m: "一阶动量：梯度的 0.1",
        v: "二阶动量：梯度平方的 0.01",
        change: (lr: string, decay: string) =>
          `逆着梯度，走学习率 ${lr} 那么远，与梯度大小无关；矩阵还会衰减自身的 ${lr} · ${decay}`,
        after: "更新后的权重",
      },
    },
    exercise: {
      title: "练习",
      about: "自己写出各层。代码在单独的线程中运行，最多十秒，并保存在这个浏览器里。练习说明为英文。",
      solved: (count: number, all: number) => `${all} 个中已对 ${count} 个`,
      which: "练习",
      code: "你的代码",
      codeHint: "TypeScript 或 JavaScript。按 Ctrl+Enter 检查。",
      check: "检查",
      judging: "正在运行……",
      hint: (shown: number, all: number) => (shown < all ? `提示 ${shown + 1}，共 ${all} 个` : "没有更多提示"),
      restart: "从头写起",
      undo: "恢复我的代码",
      right: "正确。",
      times: (times: string, goal: number, isReached: boolean) =>
        isReached ? `速度是原来的 ${times} 倍。` : `速度是原来的 ${times} 倍；目标是 ${goal} 倍。`,
      untouched: "还是最初的样子：请填写这个函数。",
      changed: "此后你又改了代码。",
      failed: "这个练习无法检查。",
    },
  },
});
