import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { chapters } from "../scripts/chapters-plugin.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Build of the studio's page: static files that any server can serve. */
export default defineConfig({
  root: path("."),
  base: "./",
  plugins: [chapters()],
  // The page is built from the sources, for a browser.
  resolve: { alias: { "#platform": path("../src/platform/browser.ts") } },
  build: {
    outDir: path("../dist/web"),
    emptyOutDir: true,
    // The page's content security policy allows data: URLs for images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
  // Threads need shared memory, which takes a cross-origin isolated page.
  server: {
    headers: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" },
  },
});
