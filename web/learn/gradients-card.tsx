import type { LessonStep, LessonTensor } from "../engine/lesson/protocol.ts";
import { Card } from "../parts/card.tsx";
import { significant } from "./significant.ts";
import { select, selected } from "./state.ts";
import { text } from "./text.ts";

const stream = /^d\.(lnf|encoded|h\.\d+\.residual[23])$/;
const matrices = /^d\.(h\.\d+\.(qkvw|attprojw|fcw|fcprojw)|wte|wpe)$/;

/** Norms of the gradients, from the loss back to the embedding: of the residual stream, and of the matrices. */
export function GradientsCard({ step }: { step: LessonStep }) {
  const t = text().gradients;
  return (
    <Card title={t.title} class="lesson-gradients">
      <p class="hint">{t.about}</p>
      <div class="gradient-lists">
        <Norms title={t.stream} tensors={step.tensors.filter(({ name }) => stream.test(name))} />
        <Norms title={t.weights} tensors={step.tensors.filter(({ name }) => matrices.test(name))} />
      </div>
      <p>{t.norm(significant(step.norm), significant(step.gradScale), step.gradScale < 1)}</p>
    </Card>
  );
}

function Norms({ title, tensors }: { title: string; tensors: readonly LessonTensor[] }) {
  const most = Math.max(...tensors.map(({ norm }) => norm));
  return (
    <div>
      <h3>{title}</h3>
      <ol class="norms">
        {tensors.map(({ name, norm }) => (
          <li key={name}>
            <button
              type="button"
              class="quiet mono"
              aria-pressed={name === selected.value}
              onClick={() => select(name)}
            >
              {name}
            </button>
            <span class="bar" aria-hidden="true">
              <span style={{ "--share": norm / (most || 1) }} />
            </span>
            <span class="share">{significant(norm)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
