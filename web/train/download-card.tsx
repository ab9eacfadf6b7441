import type { ExportFormat } from "../engine/protocol.ts";
import { Card } from "../parts/card.tsx";
import { Icon } from "../parts/icon.tsx";
import { download } from "../store/actions.ts";
import { FailureNotice } from "../store/failure-notice.tsx";
import { firstLine } from "../store/first-prompt.ts";
import { model, readableBeginning } from "../store/state.ts";
import { text } from "./run-text.ts";

/** Downloads of the model's files, and the command that uses them. */
export function DownloadCard() {
  const t = text().take;
  const loaded = model.value;
  if (!loaded) return null;
  const formats: readonly ExportFormat[] = [
    "bin",
    "safetensors",
    "config",
    ...(loaded.tokenizer === undefined ? [] : (["tokenizer"] as const)),
  ];
  const file = `${loaded.name.replace(/\.(bin|safetensors)$/, "")}.bin`;
  return (
    <Card title={t.title}>
      <p class="hint">{t.about}</p>
      <ul class="downloads">
        {formats.map((format) => (
          <li key={format}>
            <button type="button" onClick={() => download(format)}>
              <Icon name="download" /> {t.formats[format]}
            </button>
            <span class="hint">{t.of[format]}</span>
          </li>
        ))}
      </ul>
      <FailureNotice place="export" title={t.failed} />
      <div>
        <p class="hint">{t.how}</p>
        <pre class="command">
          <code>{commandFor(file)}</code>
        </pre>
      </div>
    </Card>
  );
}

/** The command that continues the first line of the training text; if that is unknown, writes a new text. */
function commandFor(file: string): string {
  const words = [firstLine(readableBeginning.value), "--model", file].filter((word) => word !== "");
  return `npx llm-ts generate ${words.map(quoted).join(" ")}`;
}

/** Quotes a word for a POSIX shell where needed. */
function quoted(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
