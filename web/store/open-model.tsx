import { FileButton } from "../parts/file-button.tsx";
import { openFiles } from "./actions.ts";
import { text } from "./text.ts";

/** Asks for a model's files. What is wrong with them is shown at the place "open". */
export function OpenModel() {
  return <FileButton label={text().open} accept=".bin,.safetensors,.json" onFiles={(files) => void openFiles(files)} />;
}
