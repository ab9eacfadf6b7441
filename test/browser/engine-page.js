// A page that has the studio's engine and shows nothing: engine-tab.ts asks it.
import { wrap } from "comlink";
import { engine } from "../../web/engine/client.ts";

/** Messages of the engine that the tests read. */
const received = { events: [], remarks: [], latest: {} };

function take(update) {
  received.events.push(...update.events);
  received.remarks.push(...update.remarks);
  Object.assign(received.latest, update);
}

/** The engine in a worker whose kernel workers can be made to fail: by a message to the channel "fail". */
function fragileEngine() {
  const worker = new Worker(new URL("./fragile-worker.js", import.meta.url), { type: "module" });
  return wrap(worker);
}

Object.assign(globalThis, { engine, received, take, fragileEngine });
engine.subscribe(take).then((status) => {
  take(status);
  globalThis.isReady = true;
});
