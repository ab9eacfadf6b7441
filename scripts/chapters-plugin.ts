/**
 * Vite plugin: a chapter of docs/learn as a module, `{ title, html }`, and with `?title` behind its name its title alone. Its
 * Markdown is rendered when the page is built, so that the page has no renderer. Pictures are assets; so are the sources that
 * it links to, as plain text.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { Marked } from "marked";
import type { Plugin } from "vite";

const chapter = /[\\/]docs[\\/]learn[\\/](?:zh[\\/])?\d\d-[\w-]+\.md(\?title)?$/;

export function chapters(): Plugin {
  return {
    name: "chapters",
    transform(markdown, id) {
      const [found, titleOnly] = chapter.exec(id) ?? [];
      if (!found) return undefined;
      if (titleOnly) return { code: `export default ${JSON.stringify(titleOf(markdown))};`, map: null };
      const emit = (path: string) => {
        this.addWatchFile(path);
        const name = path.endsWith(".svg") ? basename(path) : `${basename(path)}.txt`;
        return `import.meta.ROLLUP_FILE_URL_${this.emitFile({ type: "asset", name, source: readFileSync(path) })}`;
      };
      const { html, urls } = render(markdown, dirname(id), emit);
      const parts = html.split(placeholder).map((part) => JSON.stringify(part));
      const joined = parts.flatMap((part, i) => (i === 0 ? [part] : [urls[i - 1], part])).join(" + ");
      return {
        code: `export const title = ${JSON.stringify(titleOf(markdown))};\nexport const html = ${joined};`,
        map: null,
      };
    },
  };
}

/** Stands for an address that is known when all is built. */
const placeholder = "\u0000";

function render(markdown: string, folder: string, emit: (path: string) => string) {
  const urls: string[] = [];
  const addressOf = (path: string) => {
    urls.push(emit(path));
    return placeholder;
  };
  const marked = new Marked({
    renderer: {
      code: ({ text, lang }) =>
        `<pre tabindex="0"><code${lang ? ` class="${lang}"` : ""}>${escaped(text)}</code></pre>\n`,
      image: ({ href, text }) =>
        `<img src="${addressOf(resolve(folder, href))}" alt="${escaped(text)}" loading="lazy">`,
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const [, page] = /^(\d\d-[\w-]+)\.md$/.exec(href) ?? [];
        if (page) return `<a href="#learn/${page}">${text}</a>`;
        if (/^https?:/.test(href)) return `<a href="${href}" target="_blank" rel="noreferrer">${text}</a>`;
        const path = resolve(folder, href.replace(/#.*/, ""));
        const isFile = existsSync(path) && statSync(path).isFile();
        return isFile ? `<a href="${addressOf(path)}" target="_blank">${text}</a>` : text;
      },
    },
  });
  const html = marked.parse(markdown.replace(/^.*\n/, ""), { async: false });
  // A table may be wider than a phone, and a corner without a name is no header.
  const scrolling = html
    .replaceAll("<th></th>", "<td></td>")
    .replaceAll("<table>", '<div class="scroll" tabindex="0"><table>')
    .replaceAll("</table>", "</table></div>");
  return { html: scrolling, urls };
}

/** A chapter's first line is its title. */
function titleOf(markdown: string): string {
  return markdown.split("\n", 1)[0].replace(/^# /, "");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
