import { expect, test } from "vitest";
import { NotTextError } from "../errors.ts";
import { formatByExtension, likelyEncoding, whatItIs } from "./not-text.ts";
import { readText } from "./text.ts";

/** Result of reading bytes that come in two chunks. */
async function read(bytes: Uint8Array, encoding?: string): Promise<string> {
  async function* chunks() {
    yield bytes.subarray(0, 7);
    yield bytes.subarray(7);
  }
  let text = "";
  for await (const piece of readText(
    { name: "text", size: bytes.length, [Symbol.asyncIterator]: chunks },
    { encoding },
  ))
    text += piece;
  return text;
}

/** The bytes are what Python's codecs write. */
test.each([
  [
    "gb18030",
    "滚滚长江东逝水，浪花淘尽英雄。是非成败转头空。青山依旧在，几度夕阳红。",
    "ufa59rOkva22q8rFy66jrMDLu6jM1L6h06LQ26Gjyse3x7PJsNzXqs23v9Who8fgyb3SwL7J1NqjrLy4tsjPptH0uuyhow==",
  ],
  [
    "shift_jis",
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "jOGUeYLNlEyCxYKggumBQpa8kU+CzYLcgr6Ws4KigUKCx4KxgsWQtoLqgr2CqYLGgvGCxoypk5aCqoLCgqmCyoFC",
  ],
  [
    "euc-jp",
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "uOPH2qTPx62kx6SipOuho8y+wbCkz6TepMDMtaSkoaOkyaSzpMfAuKTspL+kq6TIpPOkyLirxfakrKTEpKukzKGj",
  ],
  [
    "big5",
    "臣亮言：先帝創業未半，而中道崩殂。今天下三分，益州疲弊，此誠危急存亡之秋也。",
    "ptqrR6iloUel/avSs9C3fqW8pWKhQabTpKS5RLFZz2WhQ6S1pNGkVaRUpMChQa9xpnuvaLn6oUGmubjbpk2r5qZzpGCkp6zupF2hQw==",
  ],
  [
    "euc-kr",
    "동해 물과 백두산이 마르고 닳도록 하느님이 보우하사 우리나라 만세.",
    "tb/H2CC5sLD6ILnptc676sDMILi2uKOw7SC04rW1t88gx8+0wLTUwMwguri/7MfPu+cgv+y4rrOqtvMguLi8vC4=",
  ],
  [
    "koi8-r",
    "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.",
    "99PFINPewdPUzMnX2cUg08XN2Mkg0M/Iz9bJIMTS1ccgzsEgxNLVx8EsIMvB1sTB0SDOxdPewdPUzMnXwdEg08XN2NEgzsXT3sHT1MzJ18Eg0M8t09fPxc3VLg==",
  ],
  [
    "windows-1251",
    "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.",
    "wvHlIPH34PHy6+ji++Ug8eXs/Ogg7+717uboIOTw8+Mg7eAg5PDz4+AsIOrg5uTg/yDt5fH34PHy6+ji4P8g8eXs/P8g7eXx9+Dx8uvo4uAg7+4t8eLu5ezzLg==",
  ],
  [
    "windows-1252",
    "Longtemps, je me suis couché de bonne heure. Parfois, mes yeux se fermaient si vite que je n’avais pas le temps de me dire : « Je m’endors. »",
    "TG9uZ3RlbXBzLCBqZSBtZSBzdWlzIGNvdWNo6SBkZSBib25uZSBoZXVyZS4gUGFyZm9pcywgbWVzIHlldXggc2UgZmVybWFpZW50IHNpIHZpdGUgcXVlIGplIG6SYXZhaXMgcGFzIGxlIHRlbXBzIGRlIG1lIGRpcmUgOiCrIEplIG2SZW5kb3JzLiC7",
  ],
  [
    "utf-16le",
    "话说天下大势，一分为二。\nA new line\n",
    "3Yv0iylZC04nWb9SDP8ATgZSOk6MTgIwCgBBACAAbgBlAHcAIABsAGkAbgBlAAoA",
  ],
  [
    "utf-16be",
    "话说天下大势，一分为二。\nA new line\n",
    "i92L9FkpTgtZJ1K//wxOAFIGTjpOjDACAAoAQQAgAG4AZQB3ACAAbABpAG4AZQAK",
  ],
])("a text in %s is named, and read", async (encoding, text, base64) => {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  expect(await likelyEncoding(bytes)).toBe(encoding);
  expect(await read(bytes, encoding)).toBe(text);
  const error = await read(bytes).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(NotTextError);
  // The second chunk alone identifies less.
  expect(String(error)).toMatch(/is not valid UTF-8 at byte|is not text: byte/);
});

test.each([
  ["x.png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13], "a picture (PNG)"],
  ["photo.txt", [0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1], "a picture (JPG)"],
  ["x.pdf", Buffer.from("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "latin1"), "a file (PDF)"],
  ["x.docx", [0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0], "a file (DOCX)"],
  ["x.zip", [0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0], "a file (ZIP)"],
  ["meta.pkl", [0x80, 4, 0x95, 13, 0, 0, 0, 0], "a Python pickle"],
] as const)("%s is named by its first bytes", async (name, bytes, what) => {
  const start = Uint8Array.from(bytes);
  expect(await whatItIs(start, name)).toBe(what);
  async function* chunks() {
    yield start;
  }
  const reading = readText({ name, size: start.length, [Symbol.asyncIterator]: chunks }).next();
  await expect(reading).rejects.toThrow(`${name} is not text, but ${what}.`);
});

test("a text that begins like another kind of file is a text", async () => {
  // "BM" begins bitmaps, and this is a text in GB18030.
  const bytes = Uint8Array.from([
    ...Buffer.from("BM"),
    ...Buffer.from("ueO628TjusOjrMrAvee1xMjLo6HO0sPHyse63LrDtcTF89PRoaM=", "base64"),
  ]);
  expect(await formatByExtension(bytes, "story.txt")).toBeUndefined();
  expect(await likelyEncoding(bytes)).toBe("gb18030");
});
