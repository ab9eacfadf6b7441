import { FileButton } from "../parts/file-button.tsx";
import { openFiles } from "./actions.ts";
import { text } from "./text.ts";

/** A button that opens a model's files. Failures are shown at the place "open". */
export function OpenModel() {
  return <FileButton label={text().open} accept=".bin,.safetensors,.json" onFiles={(files) => void openFiles(files)} />;
}
