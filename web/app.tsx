import { Header } from "./header.tsx";
import { InsideView } from "./inside/inside-view.tsx";
import { LearnViewLater } from "./learn/learn-view-later.tsx";
import { route, type ViewName } from "./route.ts";
import { RunsView } from "./runs/runs-view.tsx";
import { text } from "./text.ts";
import { TrainView } from "./train/train-view.tsx";

const views: Record<ViewName, () => preact.JSX.Element> = {
  train: TrainView,
  runs: RunsView,
  inside: InsideView,
  learn: LearnViewLater,
};

/** The page: a header, and the view of the address. */
export function App() {
  const { view } = route.value;
  const View = views[view];
  return (
    <>
      {/* A button, since a link's fragment would select a view. */}
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
