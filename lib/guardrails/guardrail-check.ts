import { CallHookFailedError, GuardrailDeniedError } from '../common/http-errors.js';
import type { LogSink } from '../common/log-sink.js';
import { nextTurn } from '../common/next-turn.js';
import type { Fields } from '../common/objects.js';
import type { HookedCall } from '../calls/hooks/call-hook.js';
import type { CallFindings, CheckOutcome } from './findings.js';
import {
  GuardrailUnreachableError,
  type Finding,
  type GuardedText,
  type GuardrailInput,
  type GuardrailMode,
  type GuardrailVerdict,
  type TextEdit,
} from './guardrail.js';
import type { ConfiguredGuardrail, SelectedGuardrail } from './guardrail-set.js';
import { editsBetween, TextWindows } from './stream-windows.js';

export type Soon<T> = T | Promise<T>;

/** The edits of each text of a check; `undefined`: nothing changes. */
export type CheckedEdits = readonly (readonly TextEdit[])[] | undefined;

/** What is checked. */
export interface Checked {
  readonly mode: GuardrailMode;
  readonly side: GuardrailInput['side'];
  readonly texts: readonly GuardedText[];
  readonly isPartial: boolean;
}

/** What the checks of one call share. */
export interface CheckContext {
  readonly call: HookedCall;
  readonly findings: CallFindings;
  readonly log: LogSink;
  /** Aborts when the call ends. */
  readonly ending: AbortController;
}

const NO_FINDINGS: readonly Finding[] = [];
/** Its default message has no details, which may quote the text. */
const MUST_CHANGE = 'The content must be changed by a guardrail before it is sent.';
const MOST_MS = 590_000;
/** Characters of two texts that are compared. It takes about a microsecond for each. */
const LONGEST_COMPARED = 131_072;
/** Characters that a guardrail judges at once: some milliseconds with many patterns. */
const PORTION_CHARS = 16_384;

/** Runs one guardrail of a call, and decides what its verdicts and failures mean. */
export class GuardrailCheck {
  private readonly state = new Map<string, unknown>();

  constructor(
    readonly selected: SelectedGuardrail,
    private readonly context: CheckContext,
  ) {}

  private get of(): ConfiguredGuardrail {
    return this.selected.of;
  }

  /**
   * Judges texts, at once if the guardrail does.
   * @throws GuardrailDeniedError; CallHookFailedError if it fails and has to
   */
  run(checked: Checked): Soon<CheckedEdits> {
    const { guardrail } = this.of;
    const startedMs = performance.now();
    const input = new CheckInput(checked, this.context, this.selected.extra, this.state);
    let verdict: GuardrailVerdict | Promise<GuardrailVerdict>;
    try {
      const isLong =
        guardrail.abilities.inPortions === true &&
        guardrail.heldBack !== undefined &&
        checked.texts.reduce((sum, { text }) => sum + text.length, 0) > PORTION_CHARS;
      verdict = isLong ? this.inPortions(checked) : guardrail.check(input);
      if (!isPromise(verdict)) return this.judged(verdict, checked, startedMs);
    } catch (error) {
      return this.failed(error, checked, startedMs);
    }
    return this.later(verdict, input, checked, startedMs);
  }

  private async later(verdict: Promise<GuardrailVerdict>, input: CheckInput, checked: Checked, startedMs: number): Promise<CheckedEdits> {
    const { timeout, num_retries: retries } = this.of.entry.params;
    const ms = Math.min(MOST_MS, timeout * 1000 * (retries + 1) + retries * 1000);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new GuardrailUnreachableError(`no verdict within ${ms} ms`)), ms).unref();
    });
    try {
      return this.judged(await Promise.race([verdict, late]), checked, startedMs);
    } catch (error) {
      verdict.catch(() => {});
      return this.failed(error, checked, startedMs);
    } finally {
      clearTimeout(timer);
      input.end();
    }
  }

  /** Judges each text in windows, with other work between them. */
  private async inPortions(checked: Checked): Promise<GuardrailVerdict> {
    const { guardrail } = this.of;
    const heldBack = guardrail.heldBack?.bind(guardrail);
    const findings: Finding[] = [];
    const changed: string[] = [];
    let judgedChars = 0;
    for (const given of checked.texts) {
      const { text } = given;
      const windows = new TextWindows({ windowChars: PORTION_CHARS, overlapChars: 0, heldBack }, false);
      let written = '';
      for (let at = 0; at < text.length; at += PORTION_CHARS) {
        const window = windows.take(text.slice(at, at + PORTION_CHARS), at + PORTION_CHARS >= text.length);
        if (window === undefined) continue;
        const { context } = window;
        const portion = { ...checked, isPartial: checked.isPartial || !window.isLast, texts: [{ ...given, text: window.text, context }] };
        const verdict = await guardrail.check(new CheckInput(portion, this.context, this.selected.extra, this.state));
        if (verdict !== undefined && 'block' in verdict) return verdict;
        findings.push(...(verdict?.findings ?? []));
        const edits = verdict !== undefined && 'texts' in verdict ? editsFor(portion.texts[0], verdict.texts[0]) : [];
        written += windows.judge(window, edits);
        judgedChars += window.text.length;
        if (judgedChars < PORTION_CHARS) continue;
        judgedChars = 0;
        await nextTurn();
      }
      changed.push(written);
    }
    return findings.length === 0 ? undefined : { texts: changed, findings };
  }

  private judged(verdict: GuardrailVerdict, checked: Checked, startedMs: number): CheckedEdits {
    const { mode, texts, isPartial } = checked;
    const { findings = NO_FINDINGS } = verdict ?? {};
    const record = (outcome: CheckOutcome): void => this.context.findings.add(this.of, mode, { outcome, startedMs, findings, isPartial });
    if (verdict === undefined || !('texts' in verdict || 'block' in verdict)) {
      record(findings.length === 0 ? 'allowed' : 'flagged');
      return undefined;
    }
    if ('block' in verdict) {
      record('denied');
      throw this.denial(mode, verdict.block.message, verdict.block.details);
    }
    if (verdict.texts.length !== texts.length) throw new Error(`returned ${verdict.texts.length} texts for ${texts.length}`);
    const edits = verdict.texts.map((changed, at) => editsFor(texts[at], changed));
    if (edits.every(({ length }) => length === 0)) {
      record(findings.length === 0 ? 'allowed' : 'flagged');
      return undefined;
    }
    const { run_in_parallel: isParallel } = this.of.entry.params;
    if (mode === 'during_call' || (mode === 'pre_call' && isParallel)) {
      record('denied');
      throw this.denial(mode, MUST_CHANGE);
    }
    record('masked');
    return edits;
  }

  /** Continues without the verdict, if the entry says so. */
  private failed(error: unknown, { mode, isPartial }: Checked, startedMs: number): undefined {
    if (error instanceof GuardrailDeniedError) throw error;
    const { params } = this.of.entry;
    const isUnreachable = error instanceof GuardrailUnreachableError;
    const isOpen = !params.fail_on_error || (isUnreachable && params.unreachable_fallback === 'fail_open');
    const outcome = isOpen ? 'unchecked' : 'failed';
    this.context.findings.add(this.of, mode, { outcome, startedMs, findings: NO_FINDINGS, isPartial });
    reportFailure(this.of, this.context.log, described(error), isOpen);
    if (isOpen) return undefined;
    throw new CallHookFailedError(this.of.name, error, { guardrail_name: this.of.name, guardrail_mode: mode });
  }

  private denial(mode: GuardrailMode, message: string, details?: Fields): GuardrailDeniedError {
    const { name, entry } = this.of;
    const { violation_message_template: template } = entry.params;
    const shown = template?.replaceAll('{guardrail_name}', name).replaceAll('{default_message}', message) ?? message;
    return new GuardrailDeniedError(shown, name, mode, details);
  }
}

/** @throws Error for edits outside of the text: the guardrail has failed */
function editsFor({ text, kind }: GuardedText, changed: string | readonly TextEdit[] | undefined): readonly TextEdit[] {
  if (changed === undefined || kind === 'tool_name') return [];
  if (typeof changed === 'string' && text.length + changed.length <= LONGEST_COMPARED) return editsBetween(text, changed);
  if (typeof changed === 'string') {
    if (changed === text) return [];
    if (kind === 'arguments') throw new Error(`changed arguments of ${text.length} characters, and only edits are possible`);
    return [{ start: 0, end: text.length, replacement: changed }];
  }
  let at = 0;
  for (const { start, end, replacement } of changed) {
    if (!(start >= at && end >= start && end <= text.length) || typeof replacement !== 'string') throw new Error('returned invalid edits');
    at = end;
  }
  return changed;
}

/** The input of one check. Its signal is made when it is read: checks in the process need none. */
class CheckInput implements GuardrailInput {
  private controller: AbortController | undefined = undefined;
  private unfollow: (() => void) | undefined = undefined;
  readonly side: GuardrailInput['side'];
  readonly mode: GuardrailMode;
  readonly texts: readonly GuardedText[];
  readonly isPartial: boolean;
  readonly call: HookedCall;
  private readonly ending: AbortController;

  constructor(
    { mode, side, texts, isPartial }: Checked,
    { call, ending }: CheckContext,
    readonly extra: Fields,
    readonly state: Map<string, unknown>,
  ) {
    this.side = side;
    this.mode = mode;
    this.texts = texts;
    this.isPartial = isPartial;
    this.call = call;
    this.ending = ending;
  }

  get signal(): AbortSignal {
    if (this.controller !== undefined) return this.controller.signal;
    const controller = (this.controller = new AbortController());
    const { signal } = this.ending;
    const abort = (): void => controller.abort(signal.reason);
    if (signal.aborted) abort();
    else {
      signal.addEventListener('abort', abort, { once: true });
      this.unfollow = () => signal.removeEventListener('abort', abort);
    }
    return controller.signal;
  }

  /** Aborts what still runs. */
  end(): void {
    this.unfollow?.();
    this.controller?.abort(new Error('the check is over'));
  }
}

function isPromise(verdict: unknown): verdict is Promise<GuardrailVerdict> {
  return typeof (verdict as { readonly then?: unknown } | undefined)?.then === 'function';
}

/** When a failure of a guardrail was last logged. */
const reported = new WeakMap<ConfiguredGuardrail, number>();
const REPORT_EVERY_MS = 60_000;

function reportFailure(of: ConfiguredGuardrail, log: LogSink, reason: string, isOpen: boolean): void {
  const last = reported.get(of);
  const now = Date.now();
  if (last !== undefined && now - last < REPORT_EVERY_MS) return;
  reported.set(of, now);
  const consequence = isOpen ? 'requests continue unchecked' : 'requests are denied with 503';
  log.error(`Guardrails: ${of.name} failed (${reason}); ${consequence}; further failures within the next minute are not logged`);
}

/** Without the message of a foreign error, which may quote a text. */
function described(error: unknown): string {
  if (error instanceof GuardrailUnreachableError) return error.message;
  if (!(error instanceof Error)) return `threw a ${typeof error}`;
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}
