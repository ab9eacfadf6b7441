import { useEffect } from "preact/hooks";
import { placeOf, sizeOf } from "../../src/backend/shape.ts";
import type { LessonStep } from "../engine/lesson/protocol.ts";
import { Card } from "../parts/card.tsx";
import { Field } from "../parts/field.tsx";
import { NumberField } from "../parts/number-field.tsx";
import { significant } from "./significant.ts";
import { need, values, weight } from "./state.ts";
import { text } from "./text.ts";

/** One weight on its way through the update: gradient, clipping, moments, new value. */
export function UpdateCard({ step }: { step: LessonStep }) {
  const t = text().update;
  const parameters = step.tensors.filter(({ name }) => step.tensors.some((other) => other.name === `new.${name}`));
  const name = weight.value?.name ?? defaultOf(parameters.map((one) => one.name));
  const tensor = parameters.find((one) => one.name === name);
  const gradient = values.value.get(`d.${name}`);

  useEffect(
    () => need(name, ...["d", "m", "v", "new"].map((prefix) => `${prefix}.${name}`)),
    [step, name, values.value],
  );

  if (!tensor) return null;
  const size = sizeOf(tensor.shape);
  const index = weight.value?.index ?? (gradient ? largestIn(gradient) : 0);
  const isWithin = Number.isInteger(index) && index >= 0 && index < size;
  const of = (prefix: string) => values.value.get(`${prefix}${name}`)?.[index];
  const [before, g, m, v, after] = ["", "d.", "m.", "v.", "new."].map(of);
  const { learningRate, weightDecay } = step.update;
  return (
    <Card title={t.title} class="lesson-update">
      <p class="hint">{t.about}</p>
      <div class="update-choice">
        <Field label={t.tensor}>
          {(attributes) => (
            <select
              {...attributes}
              class="mono"
              value={name}
              onChange={(event) => (weight.value = { name: event.currentTarget.value, index: 0 })}
            >
              {parameters.map((one) => (
                <option key={one.name}>{one.name}</option>
              ))}
            </select>
          )}
        </Field>
        <NumberField
          label={t.element}
          error={isWithin ? undefined : t.range(size - 1)}
          value={index}
          rule={{ kind: "whole", min: 0, max: size - 1 }}
          onChange={(next) => (weight.value = { name, index: next })}
        />
      </div>
      {isWithin &&
        before !== undefined &&
        g !== undefined &&
        m !== undefined &&
        v !== undefined &&
        after !== undefined && (
          <table class="update-table">
            <tbody>
              <Row name={`${name}[${placeOf(index, tensor.shape).join(", ")}]`} value={before} about={t.rows.before} />
              <Row name="g = d" value={g} about={t.rows.gradient} />
              <Row name="g · scale" value={g * step.gradScale} about={t.rows.clipped(significant(step.gradScale))} />
              <Row name="m" value={m} about={t.rows.m} />
              <Row name="v" value={v} about={t.rows.v} />
              <Row
                name="new − old"
                value={after - before}
                about={t.rows.change(String(learningRate), String(weightDecay))}
              />
              <Row name="new" value={after} about={t.rows.after} />
            </tbody>
          </table>
        )}
    </Card>
  );
}

function Row({ name, value, about }: { name: string; value: number; about: string }) {
  return (
    <tr>
      <th scope="row" class="mono">
        {name}
      </th>
      <td class="mono">{significant(value)}</td>
      <td class="hint">{about}</td>
    </tr>
  );
}

function defaultOf(parameters: readonly string[]): string {
  return parameters.find((name) => name.endsWith("qkvw")) ?? parameters[0] ?? "";
}

function largestIn(values: Float32Array): number {
  return values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]) ? i : best), 0);
}
