import { language } from "../language.ts";
import { Icon } from "../parts/icon.tsx";
import { Notice } from "../parts/notice.tsx";
import { dismiss, failures, type Place } from "./failures.ts";
import { messageIn } from "./messages.ts";
import { text } from "./text.ts";

/** The failure at a place: its effect as the title, and the message, which says what to do. */
export function FailureNotice({ place, title }: { place: Place; title: string }) {
  const failure = failures.value[place];
  if (!failure) return null;
  const t = text();
  return (
    <Notice kind="bad">
      <p>
        <strong>{title}</strong> {failure.isBug && t.bug} <Message>{failure.message}</Message>
      </p>
      <button type="button" class="quiet dismiss" aria-label={t.dismiss} onClick={() => dismiss(place)}>
        <Icon name="close" />
      </button>
    </Notice>
  );
}

/** An engine's message in the page's language, or in English if it has no translation. */
export function Message({ children }: { children: string }) {
  const translated = messageIn(language.value, children);
  if (translated !== undefined) return <span>{translated}</span>;
  return (
    <>
      {text().inEnglish}
      <span lang="en">{children}</span>
    </>
  );
}
