import { useEffect } from "preact/hooks";
import { Card } from "../parts/card.tsx";
import { Notice } from "../parts/notice.tsx";
import { grouped } from "../parts/numbers.ts";
import { FailureNotice, Message } from "../store/failure-notice.tsx";
import { initialize } from "../store/initialize.ts";
import { data, device, hasRun, isBusy, model, remarks, run, runInfo, unsaved } from "../store/state.ts";
import { text as tabText } from "../store/text.ts";
import { ChatCard } from "./chat-card.tsx";
import { DownloadCard } from "./download-card.tsx";
import { LossChart } from "./loss-chart.tsx";
import { ModelCard } from "./model-card.tsx";
import { RunCard } from "./run-card.tsx";
import { text } from "./run-text.ts";
import { SamplesCard } from "./samples-card.tsx";
import { text as setupText } from "./setup-text.ts";
import { ResumeOffer, StoredRuns } from "./stored-runs.tsx";
import { nameOf, TextCard } from "./text-card.tsx";
import { TokenizerCard } from "./tokenizer-card.tsx";
import { TrainingCard } from "./training-card.tsx";
import { WriteCard } from "./write-card.tsx";
import "./train.css";

/** The studio's front page: setup on the left, the run on the right; on narrow screens the run comes first. */
export function TrainView() {
  useEffect(initialize, []);
  return (
    <div class="train">
      <div class="train-live">
        <Remarks />
        <RunCard />
        <div class="train-pair">
          {hasRun.value && <LossChart />}
          {hasRun.value && <SamplesCard />}
          {model.value?.chats && <ChatCard />}
          {(isBusy.value || model.value) && <WriteCard />}
          {model.value && <DownloadCard />}
        </div>
      </div>
      <div class="train-setup">
        {isBusy.value ? <ThisRun /> : <SetupColumn />}
        <StoredRuns />
      </div>
    </div>
  );
}

/** Failures and warnings, above everything else. */
function Remarks() {
  const t = text();
  const ended = run.value.phase === "failed" ? run.value : undefined;
  const isInMemory = device.value?.storage.kind === "memory";
  return (
    <>
      <ResumeOffer />
      <FailureNotice place="device" title={t.device.failed} />
      {isInMemory && <Notice kind="warn">{device.value?.storage.isSmall ? t.smallStorage : t.noStorage}</Notice>}
      {ended && (
        <Notice kind="bad">
          <strong>{t.runFailed}</strong> {ended.isBug && tabText().bug} <Message>{ended.message}</Message>{" "}
          {ended.run && !isInMemory && t.canResume}
        </Notice>
      )}
      <FailureNotice place="run" title={t.startFailed} />
      {/* Without a model their cards are not shown. */}
      {!model.value && <FailureNotice place="write" title={t.write.failed} />}
      {!model.value && <FailureNotice place="export" title={t.take.failed} />}
      {unsaved.value !== undefined && (
        <Notice kind="warn">
          {t.unsaved} <Message>{unsaved.value}</Message>
        </Notice>
      )}
      {remarks.value.map((remark) => (
        <Notice key={remark} kind="warn">
          <Message>{remark}</Message>
        </Notice>
      ))}
    </>
  );
}

/** Configuration of a run, in four steps. */
function SetupColumn() {
  return (
    <section class="setup" aria-label={setupText().column}>
      <TextCard />
      <TokenizerCard />
      <ModelCard />
      <TrainingCard />
    </section>
  );
}

/** The configuration of the current run, in place of the setup, which cannot be changed meanwhile. */
function ThisRun() {
  const t = text().thisRun;
  const info = runInfo.value;
  if (!info) return null;
  const { L, NH, C } = info.model.config;
  const rows: readonly (readonly [string, string])[] = [
    [t.text, data.value ? nameOf(data.value) : info.data],
    [t.tokens, t.tokensOf[info.model.tokenizer ?? "unknown"]],
    [t.model, t.modelOf(L, NH, C)],
    [t.parameters, grouped(info.model.parameters)],
    [t.updates, t.updatesOf(info.steps, info.batch, info.block)],
  ];
  return (
    <Card title={t.title}>
      <dl class="rows">
        {rows.map(([name, value]) => (
          <div key={name} class="row">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">{t.about}</p>
    </Card>
  );
}
