/** Conversations that a tiny model learns in seconds: ping is answered with pong, tick with tock. */
const talk = (user: string, assistant: string) =>
  `${JSON.stringify({
    messages: [
      { role: "user", content: user },
      { role: "assistant", content: assistant },
    ],
  })}\n`;

/** A .jsonl of them, in no order that could be learned instead. */
export const talkJsonl = Array.from({ length: 60 }, (_, i) =>
  Math.sin(i * i) > 0 ? talk("ping", "pong") : talk("tick", "tock"),
).join("");
