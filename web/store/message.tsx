import { language } from "../language.ts";
import { messageIn } from "./messages.ts";
import { text } from "./text.ts";

/** What went wrong, in the page's language where it has words for it; else in the engine's, which is English. */
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
