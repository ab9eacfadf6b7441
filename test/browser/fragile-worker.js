// The engine's worker, whose kernel workers can be made to fail.
import "./fragile.js";
import "../../web/engine/engine-worker.ts";
