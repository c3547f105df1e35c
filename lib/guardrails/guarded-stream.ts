import type { AnswerText } from '../calls/hooks/call-hook.js';
import type { GuardrailFigures } from './findings.js';
import type { GuardrailCheck, Soon } from './guardrail-check.js';
import { TextWindows, type Window, type WindowSizes } from './stream-windows.js';

const DEFAULT_WINDOW = 200;
const MODE = { mode: 'post_call', side: 'answer' } as const;

/** The first text of a part, and the tool that it is for. */
type PartText = AnswerText & { readonly tool: string | undefined };

/** A part of a stream on its way through one guardrail. */
interface PartCheck {
  /** Text that is not released. */
  readonly rest: string;
  /** Takes the next text. Returns what is released. */
  next(text: string, isLast: boolean): Soon<string>;
}

/**
 * One part of a streamed answer on its way through the guardrails of its call, one after the other.
 */
export class GuardedPart {
  private readonly checks: readonly PartCheck[];
  /** Characters of the text that the hook has held back. */
  private heldChars = 0;
  private heldSinceMs: number | undefined = undefined;

  constructor(
    checks: readonly GuardrailCheck[],
    text: PartText,
    private readonly figures: GuardrailFigures,
    /** Whether no text of the stream was released yet. */
    private readonly opening: { isOpen: boolean },
  ) {
    this.checks = checks.map((check) => partCheckOf(check, text));
  }

  /** @param text what the hook has held back, and the new text */
  next(text: string, isLast: boolean): Soon<{ readonly pass: string; readonly hold: string }> {
    this.heldSinceMs ??= performance.now();
    return this.from(0, text.slice(this.heldChars), isLast);
  }

  private from(first: number, text: string, isLast: boolean): Soon<{ readonly pass: string; readonly hold: string }> {
    let passing = text;
    for (let at = first; at < this.checks.length; at++) {
      const passed = this.checks[at].next(passing, isLast);
      if (passed instanceof Promise) return passed.then((later) => this.from(at + 1, later, isLast));
      passing = passed;
    }
    let hold = '';
    for (const { rest } of this.checks) hold += rest;
    this.heldChars = hold.length;
    if (passing !== '') this.released(hold !== '');
    return { pass: passing, hold };
  }

  private released(isHolding: boolean): void {
    const nowMs = performance.now();
    const delayMs = nowMs - (this.heldSinceMs ?? nowMs);
    const { opening, figures } = this;
    (opening.isOpen ? figures.laterText : figures.firstText).add(delayMs);
    opening.isOpen = true;
    this.heldSinceMs = isHolding ? nowMs : undefined;
  }
}

function partCheckOf(check: GuardrailCheck, text: PartText): PartCheck {
  const { guardrail, entry } = check.selected.of;
  const { params } = entry;
  const isWhole = params.streaming_end_of_stream_only || params.streaming_buffer_until_moderated;
  const isOfTool = text.kind === 'arguments' && guardrail.abilities.readsToolNames === true;
  const windowChars =
    isWhole || isOfTool ? Infinity : (params.stream_window_chars ?? (guardrail.heldBack === undefined ? DEFAULT_WINDOW : 1));
  const heldBack = guardrail.heldBack?.bind(guardrail);
  const sizes = { windowChars, overlapChars: params.stream_overlap_chars, heldBack };
  const { stream_run_ahead_chars: runAheadChars } = params;
  // A tool runs once its arguments are complete.
  if (runAheadChars === 0 || text.kind === 'arguments')
    return new WindowedCheck(check, new TextWindows(sizes, text.isJson === true && !isOfTool), text);
  return new RunAheadCheck(check, { ...sizes, runAheadChars }, text);
}

/** Releases text once it was judged. */
class WindowedCheck implements PartCheck {
  constructor(
    private readonly check: GuardrailCheck,
    private readonly windows: TextWindows,
    private readonly text: PartText,
  ) {}

  get rest(): string {
    return this.windows.rest;
  }

  next(text: string, isLast: boolean): Soon<string> {
    const window = this.windows.take(text, isLast);
    if (window === undefined) return '';
    const edits = judge(this.check, this.text, window);
    if (edits instanceof Promise) return edits.then((later) => this.windows.judge(window, later?.[0] ?? []));
    return this.windows.judge(window, edits?.[0] ?? []);
  }
}

/**
 * Releases text at once and has it judged meanwhile, up to a number of characters: for guardrails
 * that only deny.
 */
class RunAheadCheck implements PartCheck {
  /** Withheld, so that a text without its end cannot end the stream unjudged. */
  rest = '';
  private context = '';
  /** Text that no check has yet. */
  private fresh = '';
  private charsInCheck = 0;
  private running: Promise<void> | undefined = undefined;
  private failure: { readonly error: unknown } | undefined = undefined;

  constructor(
    private readonly check: GuardrailCheck,
    private readonly sizes: WindowSizes & { readonly runAheadChars: number },
    private readonly text: PartText,
  ) {}

  async next(text: string, isLast: boolean): Promise<string> {
    const { windowChars, runAheadChars } = this.sizes;
    this.fresh += text;
    if (this.running === undefined && this.fresh.length >= windowChars) this.start(isLast);
    while (isLast || this.fresh.length + this.charsInCheck > runAheadChars) {
      await this.running;
      if (this.fresh === '') break;
      this.start(isLast);
    }
    if (this.failure !== undefined) throw this.failure.error;
    const all = this.rest + text;
    this.rest = isLast ? '' : all.slice(-1);
    return isLast ? all : all.slice(0, -1);
  }

  private start(isLast: boolean): void {
    const text = this.context + this.fresh;
    this.charsInCheck = this.fresh.length;
    this.context = text.slice(Math.max(0, text.length - this.sizes.overlapChars));
    this.fresh = '';
    const running = Promise.resolve()
      .then(() => judge(this.check, this.text, { text, context: 0, isLast }))
      .then(() => {})
      .catch((error: unknown) => void (this.failure ??= { error }))
      .then(() => {
        this.charsInCheck = 0;
        this.running = undefined;
      });
    this.running = running;
  }
}

function judge(
  check: GuardrailCheck,
  { kind, part, tool }: PartText,
  { text, context, isLast }: Pick<Window, 'text' | 'context' | 'isLast'>,
): ReturnType<GuardrailCheck['run']> {
  return check.run({ ...MODE, texts: [{ text, path: part, kind, tool, context }], isPartial: !isLast });
}
