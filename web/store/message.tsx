import { language } from "../language.ts";
import { messageIn } from "./messages.ts";
import { text } from "./text.ts";

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
