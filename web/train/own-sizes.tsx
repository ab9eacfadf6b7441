import { ownFields } from "../store/fields.ts";
import { SettingField } from "./setting-field.tsx";

/** Layers, heads, channels and block of a model of one's own. */
export function OwnSizes() {
  return (
    <div class="fields">
      {ownFields.map((name) => (
        <SettingField key={name} name={name} />
      ))}
    </div>
  );
}
