import { language, locales, setLanguage } from "./language.ts";
import { Icon } from "./parts/icon.tsx";
import { hashOf, route, viewNames } from "./route.ts";
import { text } from "./text.ts";
import { setTheme, theme, themes } from "./theme.ts";

/** The page's header: views, language and theme. */
export function Header() {
  const t = text();
  const other = language.value === "en" ? "zh" : "en";
  const nextTheme = themes[(themes.indexOf(theme.value) + 1) % themes.length];
  return (
    <header class="top">
      <a class="wordmark" href={hashOf("train")}>
        <Icon name="curve" />
        llm.ts <span>{t.studio}</span>
      </a>
      <nav aria-label={t.viewsLabel}>
        {viewNames.map((name) => (
          <a key={name} href={hashOf(name)} aria-current={route.value.view === name ? "page" : undefined}>
            {t.views[name]}
          </a>
        ))}
      </nav>
      <div class="top-tools">
        <button
          type="button"
          class="quiet"
          lang={locales[other]}
          aria-label={t.otherLanguageLabel}
          onClick={() => setLanguage(other)}
        >
          {t.otherLanguage}
        </button>
        <button
          type="button"
          class="quiet"
          aria-label={t.themeLabel(t.theme[theme.value])}
          title={t.themeLabel(t.theme[theme.value])}
          onClick={() => setTheme(nextTheme)}
        >
          <Icon name={theme.value} />
        </button>
      </div>
    </header>
  );
}
