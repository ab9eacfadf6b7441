import { Notice } from "../parts/notice.tsx";
import { FailureNotice } from "../store/failure-notice.tsx";
import { Message } from "../store/message.tsx";
import { device, model, remarks, run, unsaved } from "../store/state.ts";
import { text as tabText } from "../store/text.ts";
import { text } from "./live-text.ts";
import { ResumeOffer } from "./resume-offer.tsx";

/** Above everything else: what a person should know. */
export function Remarks() {
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
          {ended.run && !isInMemory && t.goesOn}
        </Notice>
      )}
      <FailureNotice place="run" title={t.startFailed} />
      {/* Their cards are gone with the model. */}
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
