import { Header } from "./header.tsx";
import { InsideView } from "./inside/inside-view.tsx";
import { route, type ViewName } from "./route.ts";
import { RunsView } from "./runs/runs-view.tsx";
import { text } from "./text.ts";
import { TrainView } from "./train/train-view.tsx";

const views: Record<ViewName, () => preact.JSX.Element> = {
  train: TrainView,
  runs: RunsView,
  inside: InsideView,
};

/** The whole page: a header with the three views, and the view that the address names. */
export function App() {
  const { view } = route.value;
  const View = views[view];
  return (
    <>
      {/* A link's fragment would name another view. */}
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        {text().skip}
      </button>
      <Header />
      <main id="main" tabIndex={-1}>
        <View />
      </main>
    </>
  );
}
