/** A conversation with the loaded model. */
import { computed, effect, signal } from "@preact/signals";
import { engine } from "../engine/client.ts";
import type { ChatAnswer, ChatTurn } from "../engine/protocol.ts";
import { attempt } from "./failures.ts";
import { model } from "./state.ts";
import { options } from "./writing.ts";

/** The conversation, the answer under way included. */
export const turns = signal<readonly ChatTurn[]>([]);
/** The next message, while it is typed. */
export const message = signal("");
/** Instructions before the conversation. */
export const system = signal("");
export const lastAnswer = signal<ChatAnswer | undefined>();
/** Turns have been left out of this conversation. */
export const hasLeftOut = signal(false);

const controller = signal<AbortController | undefined>();
export const isAnswering = computed(() => controller.value !== undefined);

export function startOver(): void {
  controller.value?.abort();
  controller.value = undefined;
  turns.value = [];
  lastAnswer.value = undefined;
  hasLeftOut.value = false;
}

// Another model has no part in the conversation.
const modelName = computed(() => model.value?.name);
let known = modelName.value;
effect(() => {
  if (modelName.value === known) return;
  known = modelName.value;
  startOver();
});

export async function send(): Promise<void> {
  const given = message.value;
  if (given.trim() === "" || isAnswering.value) return;
  const mine = new AbortController();
  controller.value = mine;
  const before = turns.value;
  let text = "";
  const show = () => {
    if (controller.value === mine)
      turns.value = [...before, { role: "user", content: given }, { role: "assistant", content: text }];
  };
  show();
  message.value = "";
  const onPiece = (piece: string) => {
    text += piece;
    show();
  };
  const seed = options.value.seed + before.length / 2;
  const request = { system: system.value, turns: before, message: given };
  const answer = await attempt("chat", () => engine.chat(request, { ...options.value, seed }, onPiece, mine.signal));
  // A conversation that was ended meanwhile stays so.
  if (controller.value !== mine) return;
  text = answer?.text ?? "";
  show();
  controller.value = undefined;
  lastAnswer.value = answer;
  hasLeftOut.value ||= (answer?.leftOut ?? 0) > 0;
  const hasFailed = answer === undefined || (text === "" && answer.reason === "interrupted");
  // A message without an answer goes back to where it was typed.
  if (hasFailed) [turns.value, message.value] = [before, given];
}

/** Ends the answer; what was written by then stays. */
export function stopAnswering(): void {
  controller.value?.abort();
}
