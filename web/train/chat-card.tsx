import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { isReplacing } from "../store/actions.ts";
import {
  hasLeftOut,
  isAnswering,
  lastAnswer,
  message,
  send,
  startOver,
  stopAnswering,
  system,
  turns,
} from "../store/chatting.ts";
import { FailureNotice } from "../store/failure-notice.tsx";
import { model } from "../store/state.ts";
import { text } from "./run-text.ts";

/** A conversation with a model that has learned some. */
export function ChatCard() {
  const t = text().chat;
  return (
    <Card title={t.title} class="chat">
      <Conversation />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Field label={t.message} hint={t.how}>
          {(attributes) => (
            <textarea
              {...attributes}
              rows={2}
              value={message.value}
              onInput={(event) => {
                message.value = event.currentTarget.value;
              }}
              onKeyDown={(event) => {
                if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
                event.preventDefault();
                event.currentTarget.form?.requestSubmit();
              }}
            />
          )}
        </Field>
        <Buttons />
      </form>
      <Field label={t.system}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            value={system.value}
            onChange={(event) => {
              system.value = event.currentTarget.value.trim();
              startOver();
            }}
          />
        )}
      </Field>
      <FailureNotice place="chat" title={t.failed} />
    </Card>
  );
}

function Buttons() {
  const t = text().chat;
  const isReady = model.value !== undefined && !isReplacing.value && message.value.trim() !== "";
  return (
    <div class="buttons">
      {isAnswering.value ? (
        <button type="button" onClick={stopAnswering}>
          <Icon name="stop" /> {t.stop}
        </button>
      ) : (
        <button type="submit" class="primary" disabled={!isReady}>
          <Icon name="play" /> {t.send}
        </button>
      )}
      <button type="button" disabled={turns.value.length === 0} onClick={startOver}>
        {t.startOver}
      </button>
    </div>
  );
}

function Conversation() {
  const t = text().chat;
  const isCut = lastAnswer.value?.reason === "length";
  return (
    <>
      {turns.value.length === 0 ? (
        <p class="waiting">{t.empty}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls.
        <div class="prose output" role="log" tabIndex={0} aria-label={t.title} aria-busy={isAnswering.value}>
          {turns.value.map(({ role, content }, i) => (
            <p key={i} class={role}>
              <strong>{role === "user" ? t.you : t.model}</strong> {content}
            </p>
          ))}
        </div>
      )}
      <p class="hint" role="status">
        {isCut && t.cut} {hasLeftOut.value && t.leftOut}
      </p>
    </>
  );
}
