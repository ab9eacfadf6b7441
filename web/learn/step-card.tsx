import { useEffect, useMemo } from "preact/hooks";
import { placeOf } from "../../src/backend/shape.ts";
import type { LessonStep, LessonTensor } from "../engine/lesson/protocol.ts";
import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { RangeField } from "../parts/range-field.tsx";
import { formulas } from "./formulas.ts";
import { type Grid, gridOf } from "./grid.ts";
import { significant } from "./significant.ts";
import {
  cell,
  chapterTensors,
  counterpart,
  head,
  names,
  need,
  position,
  select,
  selected,
  tensorNames,
  values,
  weight,
} from "./state.ts";
import { TensorMap } from "./tensor-map.tsx";
import { text } from "./text.ts";

/** The step, operation by operation: the selected tensor as a picture, with what it was computed from, and its gradient. */
export function StepCard({ step }: { step: LessonStep }) {
  const t = text().step;
  const computed = useMemo(() => step.tensors.filter(({ operation }) => operation), [step]);
  const tensor = step.tensors.find(({ name }) => name === selected.value);
  const other = step.tensors.find(({ name }) => name === counterpart.value);
  const at = computed.findIndex(({ name }) => name === selected.value);

  useEffect(() => need(selected.value, counterpart.value), [step, selected.value, counterpart.value, values.value]);

  if (!tensor) return null;
  // Forward before backward: a value, then its gradient, moments or new value.
  const isBehind = other !== undefined && /^(d|m|v|new)\./.test(tensor.name);
  const shown = other ? (isBehind ? [other, tensor] : [tensor, other]) : [tensor];
  const isAttention = tensor.shape.length === 4;
  return (
    <Card title={t.title} class="lesson-step">
      <p class="hint">{t.about(computed.length)}</p>
      <div class="step-choice">
        <TensorSelect step={step} />
        <div class="step-walk">
          <button type="button" disabled={at <= 0} aria-label={t.before} onClick={() => select(computed[at - 1].name)}>
            ←
          </button>
          <RangeField
            label={t.operation}
            value={Math.max(0, at)}
            shown={at < 0 ? t.given : t.of(at + 1, computed.length)}
            min={0}
            max={computed.length - 1}
            step={1}
            onChange={(i) => select(computed[i].name)}
          />
          <button
            type="button"
            disabled={at === computed.length - 1}
            aria-label={t.next}
            onClick={() => select(computed[at + 1].name)}
          >
            →
          </button>
        </div>
        {isAttention && (
          <Field label={t.head}>
            {(attributes) => (
              <select
                {...attributes}
                value={head.value}
                onChange={(event) => (head.value = Number(event.currentTarget.value))}
              >
                {Array.from({ length: step.model.NH }, (_, h) => (
                  <option key={h} value={h}>
                    {h + 1}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
      </div>
      <Operation tensor={tensor} />
      <div class="step-pictures">
        {shown.map((one) => (
          <TensorFigure key={one.name} tensor={one} T={step.losses.length} />
        ))}
      </div>
      <Readout shown={shown} T={step.losses.length} />
    </Card>
  );
}

function TensorSelect({ step }: { step: LessonStep }) {
  const t = text().step;
  const ofChapter = chapterTensors.value;
  const others = step.tensors.filter(({ name }) => !ofChapter.includes(name));
  return (
    <Field label={t.tensor}>
      {(attributes) => (
        <select
          {...attributes}
          class="mono"
          value={selected.value}
          onChange={(event) => select(event.currentTarget.value)}
        >
          {ofChapter.length > 0 && (
            <optgroup label={t.ofChapter}>
              {ofChapter.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </optgroup>
          )}
          <optgroup label={t.others}>
            {others.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </optgroup>
        </select>
      )}
    </Field>
  );
}

/** The operation that gave a tensor: its formula, and its operands, which can be selected. */
function Operation({ tensor: { operation, output, inputs = {} } }: { tensor: LessonTensor }) {
  const t = text().step;
  if (!operation) return <p class="operation">{t.isGiven}</p>;
  const formula = formulas[`${operation}.${output}`] ?? formulas[operation];
  return (
    <div class="operation">
      <p>
        <code>{operation}</code>
        {formula && <span class="formula mono">{formula}</span>}
      </p>
      <ul>
        {Object.entries(inputs)
          .filter(([, name]) => tensorNames.value.has(name))
          .map(([role, name]) => (
            <li key={role}>
              <span class="role">{role}</span>
              <button type="button" class="quiet mono" onClick={() => select(name)}>
                {name}
              </button>
            </li>
          ))}
      </ul>
    </div>
  );
}

function TensorFigure({ tensor, T }: { tensor: LessonTensor; T: number }) {
  const t = text().step;
  const grid = gridIn(tensor, T);
  const tokens = names.value.slice(0, T);
  const marks = grid && {
    selectedRow: grid.rowsAre === "positions" ? position.value : undefined,
    selectedColumn: grid.columnsAre === "positions" && grid.rowsAre === "one" ? position.value : undefined,
    rowNames: grid.rowsAre === "positions" ? tokens : undefined,
    columnNames: grid.columnsAre === "positions" ? tokens : undefined,
  };
  return (
    <figure>
      <figcaption>
        <strong class="mono">{tensor.name}</strong> ({tensor.shape.join(", ")}) · {t.norm} {significant(tensor.norm)} ·{" "}
        {t.largest} {significant(tensor.largest)}
      </figcaption>
      {grid && (
        <TensorMap
          label={t.map(tensor.name)}
          rows={grid.rows}
          columns={grid.columns}
          data={grid.data}
          {...marks}
          pointed={cell.value}
          onPoint={(place) => (cell.value = place)}
          onChoose={({ row, column }) => {
            if (grid.rowsAre === "positions") position.value = row;
            const parameter = tensor.name.replace(/^(d|m|v|new)\./, "");
            if (tensorNames.value.has(`new.${parameter}`))
              weight.value = { name: parameter, index: row * grid.columns + column };
          }}
        />
      )}
    </figure>
  );
}

/** Undefined while its values are not here. */
function gridIn(tensor: LessonTensor, T: number): Grid | undefined {
  const data = values.value.get(tensor.name);
  return data && gridOf(tensor, data, T, head.value);
}

/** The numbers of the pointed cell. */
function Readout({ shown, T }: { shown: readonly LessonTensor[]; T: number }) {
  const t = text().step;
  const place = cell.value;
  const parts = shown.flatMap((tensor) => {
    const grid = gridIn(tensor, T);
    if (!place || !grid || place.row >= grid.rows || place.column >= grid.columns) return [];
    const index = place.row * grid.columns + place.column;
    const where = placeOf(grid.from + index, tensor.shape).join(", ");
    const row = grid.rowsAre === "positions" ? ` ‹${names.value[place.row]}›` : "";
    const column = grid.columnsAre === "positions" ? ` ‹${names.value[place.column]}›` : "";
    return [`${tensor.name}[${where}]${row}${column} = ${significant(grid.data[index])}`];
  });
  return (
    <p class="readout mono" aria-live="polite">
      {parts.length > 0 ? parts.join(" · ") : t.hint}
    </p>
  );
}
