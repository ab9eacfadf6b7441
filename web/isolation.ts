/**
 * Makes the page cross-origin isolated where its server does not: a service worker adds the headers from the next load on, so
 * the page reloads once, and then uses all cores. Where that is impossible (no secure context, service workers forbidden), the
 * page computes in one thread.
 */
export async function isolatePage(): Promise<void> {
  if (crossOriginIsolated || !("serviceWorker" in navigator) || hasReloaded()) return;
  try {
    await navigator.serviceWorker.register("./isolation-worker.js");
    await navigator.serviceWorker.ready;
    sessionStorage.setItem(mark, String(Date.now()));
    location.reload();
  } catch {
    // Forbidden, or the script is missing.
  }
}

const mark = "studio isolation";

/** True if the page has just reloaded for isolation, in vain. */
function hasReloaded(): boolean {
  return Date.now() - Number(sessionStorage.getItem(mark) ?? 0) < 10_000;
}
