import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sirv, { type RequestHandler } from "sirv";
import { InputError } from "../errors.ts";

/** Where the build puts the page: the same from src/ and from dist/. */
const builtPage = fileURLToPath(new URL("../../dist/web/", import.meta.url));

/** Answers with the page's files. InputError when it has not been built. */
export function servePage(folder = builtPage): RequestHandler {
  if (!existsSync(join(folder, "index.html")))
    throw new InputError(`The studio's page is not built: ${folder} has no index.html. Run: npm run build`);
  // "dev" looks for files when they are asked for: a build while the studio runs takes none away from under it.
  return sirv(folder, {
    dev: true,
    etag: true,
    setHeaders: (response, path) => {
      // What the build puts there has a hash of its content in its name.
      const isHashed = path.startsWith("/assets/");
      response.setHeader("Cache-Control", isHashed ? "public,max-age=31536000,immutable" : "no-cache");
    },
  });
}
