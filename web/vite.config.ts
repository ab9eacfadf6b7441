import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The studio's page: static files that can be served from anywhere, made by `npm run build`. */
export default defineConfig({
  root: path("."),
  base: "./",
  // The page is a browser, and made of the sources.
  resolve: { alias: { "#platform": path("../src/platform/browser.ts") } },
  build: {
    outDir: path("../dist/web"),
    emptyOutDir: true,
    // The page's content security policy allows no data: URLs but for images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
  // Shared memory, which threads need, is for isolated pages.
  server: {
    headers: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" },
  },
});
