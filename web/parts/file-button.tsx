import { useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

/** A button that opens a file dialog. The same files can be chosen again. */
export function FileButton({
  label,
  accept,
  onFiles,
}: {
  label: string;
  /** As the attribute of the same name. */
  accept?: string;
  onFiles: (files: readonly File[]) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => input.current?.click()}>
        <Icon name="upload" /> {label}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept={accept}
        aria-label={label}
        onChange={({ currentTarget }) => {
          const files = [...(currentTarget.files ?? [])];
          currentTarget.value = "";
          if (files.length > 0) onFiles(files);
        }}
      />
    </>
  );
}
