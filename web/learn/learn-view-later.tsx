import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { FailureNotice } from "../store/failure-notice.tsx";
import { attempt } from "../store/failures.ts";
import { text } from "./text.ts";

/** The Learn view, whose code is loaded when it is first shown: no other view needs the exercises. */
export function LearnViewLater() {
  const loaded = useSignal<typeof import("./learn-view.tsx") | undefined>(undefined);
  useEffect(() => {
    void attempt("learn", () => import("./learn-view.tsx")).then((found) => (loaded.value = found));
  }, []);
  const View = loaded.value?.LearnView;
  return View ? <View /> : <FailureNotice place="learn" title={text().notLoaded} />;
}
