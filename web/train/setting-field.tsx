import { expected } from "../parts/expected.ts";
import { NumberField } from "../parts/number-field.tsx";
import { type FieldName, type FieldProblem, type FormField, formFields } from "../store/fields.ts";
import { problems, setField, values } from "../store/setup.ts";
import { text } from "./setup-text.ts";

/** A number field of the form, with its unit and its error. */
export function SettingField({ name }: { name: FieldName }) {
  const t = text().fields;
  const field: FormField = formFields[name];
  const { unit, zero } = field;
  const problem = problems.value[name];
  const hint = [unit && t.units[unit], zero && t.zero[zero]].filter(Boolean).join(t.comma);
  return (
    <NumberField
      label={t.labels[name]}
      hint={hint || undefined}
      error={problem && errorOf(problem)}
      value={values.value[name] ?? 0}
      rule={field}
      onChange={(value) => setField(name, value)}
    />
  );
}

function errorOf(problem: FieldProblem): string {
  const t = text().fields;
  if (problem.kind === "range") return expected()(problem.rule);
  if (problem.kind === "warmup") return t.longWarmup(problem.steps);
  const { channels, heads, below, above } = problem;
  return t.notDivisible(channels, heads, below, above);
}
