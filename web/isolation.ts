/**
 * Isolates the page where its server does not: a service worker adds the headers, from the next load on. So the page
 * loads itself once more, and then uses all cores. Where that cannot be (no secure context, service workers forbidden),
 * it stays as it is and computes in one thread.
 */
export async function isolatePage(): Promise<void> {
  if (crossOriginIsolated || !("serviceWorker" in navigator) || hasReloaded()) return;
  try {
    await navigator.serviceWorker.register("./isolation-worker.js");
    await navigator.serviceWorker.ready;
    sessionStorage.setItem(mark, String(Date.now()));
    location.reload();
  } catch {
    // Forbidden, or the script is not there.
  }
}

const mark = "studio isolation";

/** Whether the load before this one was for isolation, and did not help. */
function hasReloaded(): boolean {
  return Date.now() - Number(sessionStorage.getItem(mark) ?? 0) < 10_000;
}
