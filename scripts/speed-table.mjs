// Writes the speed tables of README.md, README.zh-CN.md and docs/performance.md from a report of `llm-ts bench --json`:
//
//   node scripts/speed-table.mjs docs/bench/2026-11-24-1.json
//
// Each table is between <!-- speed --> and <!-- /speed -->.
import { readFileSync, writeFileSync } from "node:fs";

const languages = {
  en: {
    columns: ["", "llm.ts", "floor"],
    row: (name) =>
      name
        .replace(/^d12 /, "GPT-2 124M, ")
        .replace(/^baby /, "`baby`, ")
        .replace("one token written", "one generated token"),
    caption: ({ machine, date, node, kernels, repeats }) =>
      `Milliseconds; in brackets, the time of llm.ts divided by the other program's. Medians of ${repeats} interleaved ` +
      `rounds of one run, on ${date.slice(0, 10)}: ${machine.processor}, ${machine.cores} cores, ` +
      `${machine.memoryGiB} GiB; Node ${node.slice(1)}; ${kernels}.`,
  },
  zh: {
    columns: ["", "llm.ts", "下限"],
    row: (name) =>
      name
        .replace(/^d12 /, "GPT-2 124M，")
        .replace(/^baby /, "`baby`，")
        .replace("training step, ", "训练一步，")
        .replace("one token written", "生成一个词元")
        .replace(", weights in bfloat16", "（bfloat16 权重）")
        .replace(", weights in int8", "（int8 权重）"),
    caption: ({ machine, date, node, kernels, repeats }) =>
      `单位为毫秒；括号内是 llm.ts 用时与该程序用时之比。各程序在同一次运行中轮流测量，取 ${repeats} 轮的中位数，` +
      `日期 ${date.slice(0, 10)}：${machine.processor}，${machine.cores} 核，${machine.memoryGiB} GiB；` +
      `Node ${node.slice(1)}；${kernels}。`,
  },
};

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const [file, language] of [
  ["README.md", "en"],
  ["README.zh-CN.md", "zh"],
  ["docs/performance.md", "en"],
]) {
  const text = readFileSync(file, "utf8");
  const [before, rest] = text.split("<!-- speed -->\n");
  const after = rest?.split("<!-- /speed -->")[1];
  if (after === undefined) throw new Error(`${file} has no markers for the table: <!-- speed --> … <!-- /speed -->`);
  writeFileSync(file, `${before}<!-- speed -->\n${table(languages[language])}<!-- /speed -->${after}`);
}

function table({ columns, row, caption }) {
  const rows = report.rows.filter(({ kind }) => kind !== "product");
  const peers = report.peers.filter(({ name }) => rows.some((each) => each.peers[name]?.ms));
  const lines = [
    [...columns, ...peers.map(({ name }) => name)],
    ["---", ...Array(columns.length - 1 + peers.length).fill("---:")],
    ...rows.map((each) => [
      row(each.name),
      `**${ms(each.ours.ms)}**`,
      ms(each.floorMs),
      ...peers.map(({ name }) => beside(each.ours.ms, each.peers[name]?.ms)),
    ]),
  ];
  const legend = peers.map(({ name, description }) => `- ${name}: ${description}`);
  return `${lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("")}\n${caption(report)}\n\n${legend.join("\n")}\n`;
}

function beside(ours, theirs) {
  return theirs ? `${ms(theirs)} (${(ours / theirs).toFixed(2)})` : "";
}

function ms(value) {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 10 ? 1 : 2);
}
