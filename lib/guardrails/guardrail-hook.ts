import type { GuardrailRecord } from '../common/call-record.js';
import { CallDeniedError } from '../common/http-errors.js';
import type { LogSink } from '../common/log-sink.js';
import type { Fields } from '../common/objects.js';
import type { BuiltInHook } from '../calls/hooks/built-in-hook.js';
import type { LoggedBodies } from '../calls/hooks/logged-bodies.js';
import type { AnswerText, HookedCall, RequestVerdict, TextVerdict } from '../calls/hooks/call-hook.js';
import { wholeAnswer } from '../callbacks/assemble-stream.js';
import { CallFindings, type GuardrailFigures } from './findings.js';
import { GuardedPart } from './guarded-stream.js';
import { GuardrailCheck, type CheckedEdits, type Soon } from './guardrail-check.js';
import type { GuardedText, GuardrailMode } from './guardrail.js';
import type { GuardedRouting, GuardrailSet } from './guardrail-set.js';
import { JsonWindow } from './json-strings.js';
import { copiedBody, requestTexts, UnreadableRequest, type RequestText } from './request-texts.js';
import { edited } from './stream-windows.js';

/** Operations whose answers have no text of a model. */
const WITHOUT_TEXTS: ReadonlySet<string> = new Set([
  'embeddings',
  'images',
  'rerank',
  'moderations',
  'files',
  'batches',
  'message_batches',
]);
/** Read completely: whatever is logged. */
const ANY_OPERATION = '*';

/** Dependencies of the hook. */
export interface GuardrailHookContext {
  readonly routing: GuardedRouting;
  readonly figures: GuardrailFigures;
  readonly log: LogSink;
  /** Receives the records of a call that a guardrail denied or changed. */
  readonly onIntervention: (call: HookedCall, records: readonly GuardrailRecord[]) => void;
}

/** Runs the guardrails of a configuration version. A call keeps those that it begins with. */
export class GuardrailHook implements BuiltInHook {
  private readonly calls = new WeakMap<HookedCall, GuardedCall>();

  constructor(
    private readonly set: () => GuardrailSet,
    private readonly context: GuardrailHookContext,
  ) {}

  takesPart(call: HookedCall, method: keyof BuiltInHook): boolean {
    if (method === 'onEnd') return this.calls.has(call);
    const guarded = this.of(call);
    switch (method) {
      case 'onRequest':
        return guarded.denial !== undefined || guarded.has('pre_call');
      case 'duringCall':
        return guarded.has('during_call');
      case 'onText':
      case 'onTexts':
        return guarded.has('post_call') && hasTexts(call);
      case 'onToolName':
        return guarded.readsTools;
      case 'onLog':
        return guarded.has('logging_only');
      default:
        return true;
    }
  }

  onRequest(call: HookedCall): Promise<RequestVerdict | undefined> {
    return this.of(call).request();
  }

  duringCall(call: HookedCall): Promise<void> {
    return this.of(call).during();
  }

  onText(call: HookedCall, text: AnswerText): Soon<TextVerdict> {
    return this.of(call).text(text);
  }

  onTexts(call: HookedCall, texts: readonly AnswerText[]): Soon<readonly string[]> {
    return this.of(call).texts(texts);
  }

  onToolName(call: HookedCall, tool: { readonly name: string; readonly part: string }): Soon<void> {
    return this.of(call).toolName(tool);
  }

  applied(call: HookedCall): readonly string[] {
    return this.of(call).applied;
  }

  records(call: HookedCall): readonly GuardrailRecord[] {
    return this.calls.get(call)?.records() ?? [];
  }

  onLog(call: HookedCall, bodies: LoggedBodies): Promise<LoggedBodies> {
    return this.of(call).logged(bodies);
  }

  onEnd(call: HookedCall): void {
    const guarded = this.calls.get(call);
    guarded?.end();
    const records = guarded?.records().filter(({ status }) => status !== 'success') ?? [];
    if (records.length > 0) this.context.onIntervention(call, records);
  }

  private of(call: HookedCall): GuardedCall {
    let guarded = this.calls.get(call);
    if (guarded === undefined) this.calls.set(call, (guarded = new GuardedCall(call, this.set(), this.context)));
    return guarded;
  }
}

function hasTexts({ operation, body }: HookedCall): boolean {
  // A recording that a model speaks; a transcript has no `input`.
  return !WITHOUT_TEXTS.has(operation) && !(operation === 'audio' && typeof body.input === 'string');
}

/** One call and its guardrails. */
class GuardedCall {
  /** For a request that names a guardrail that does not exist. */
  readonly denial: CallDeniedError | undefined;
  private readonly checks: readonly GuardrailCheck[];
  private readonly findings: CallFindings;
  private readonly ending = new AbortController();
  private readonly parts = new Map<string, GuardedPart>();
  /** Names of called tools, by their part of the answer. */
  private readonly tools = new Map<string, string>();
  private readonly opening = { isOpen: false };

  constructor(
    private readonly call: HookedCall,
    set: GuardrailSet,
    private readonly context: GuardrailHookContext,
  ) {
    const { figures, log, routing } = context;
    this.findings = new CallFindings(figures);
    const shared = { call, findings: this.findings, log, ending: this.ending };
    try {
      this.checks = set.select(call, routing).map((selected) => new GuardrailCheck(selected, shared));
      this.denial = undefined;
    } catch (error) {
      if (!(error instanceof CallDeniedError)) throw error;
      this.checks = [];
      this.denial = error;
    }
  }

  has(mode: GuardrailMode): boolean {
    return this.checks.some(({ selected }) => selected.modes.has(mode));
  }

  get readsTools(): boolean {
    return this.in('post_call').some(readsTools);
  }

  /** As in LiteLLM, those for logs are not named. */
  get applied(): readonly string[] {
    const running = this.checks.filter(({ selected }) => [...selected.modes].some((mode) => mode !== 'logging_only'));
    return running.map(({ selected }) => selected.of.name);
  }

  records(): readonly GuardrailRecord[] {
    return this.findings.records();
  }

  end(): void {
    this.ending.abort(new Error('the call has ended'));
  }

  /** `pre_call`: each guardrail gets the request as those before it have left it. */
  async request(): Promise<RequestVerdict | undefined> {
    if (this.denial !== undefined) throw this.denial;
    const checks = this.in('pre_call');
    const isParallel = ({ selected }: GuardrailCheck): boolean => selected.of.entry.params.run_in_parallel;
    let changed: Fields | undefined;
    for (const check of checks.filter((each) => !isParallel(each))) {
      const edits = await this.checkRequest(check, 'pre_call', changed ?? this.call.body);
      if (edits === undefined) continue;
      changed ??= copiedBody(this.call.body);
      this.write(check, changed, edits);
    }
    const body = changed ?? this.call.body;
    await Promise.all(checks.filter(isParallel).map((check) => this.checkRequest(check, 'pre_call', body)));
    return changed === undefined ? undefined : { replace: changed };
  }

  async during(): Promise<void> {
    const { body } = this.call;
    await Promise.all(this.in('during_call').map((check) => this.checkRequest(check, 'during_call', body)));
  }

  /** `post_call` on a text of a stream, or a single one. */
  text(text: AnswerText): Soon<TextVerdict> {
    let part = this.parts.get(text.part);
    if (part === undefined)
      this.parts.set(
        text.part,
        (part = new GuardedPart(this.in('post_call'), { ...text, tool: this.toolOf(text) }, this.context.figures, this.opening)),
      );
    if (text.isLast) this.parts.delete(text.part);
    return part.next(text.text, text.isLast);
  }

  /** `post_call` on a whole answer. */
  async texts(given: readonly AnswerText[]): Promise<readonly string[]> {
    const texts = given.map(({ text }) => text);
    for (const check of this.in('post_call')) {
      const json = texts.map((text, at) => (given[at].isJson === true ? new JsonWindow(text, false) : undefined));
      // Who reads tools parses their arguments.
      const isRaw = readsTools(check);
      const asked = given.map((text, at) => ({
        text: isRaw ? texts[at] : (json[at]?.text ?? texts[at]),
        path: text.part,
        kind: text.kind,
        tool: this.toolOf(text),
      }));
      const edits = await check.run({ mode: 'post_call', side: 'answer', texts: asked, isPartial: false });
      edits?.forEach((own, at) => (texts[at] = edited(texts[at], isRaw ? own : (json[at]?.edits(own, true) ?? own))));
    }
    return texts;
  }

  async toolName({ name, part }: { readonly name: string; readonly part: string }): Promise<void> {
    this.tools.set(part, name);
    const texts = [{ text: name, path: part, kind: 'tool_name' as const }];
    for (const check of this.in('post_call'))
      if (readsTools(check)) await check.run({ mode: 'post_call', side: 'answer', texts, isPartial: false });
  }

  private toolOf({ kind, part }: AnswerText): string | undefined {
    // In Responses, `0:…` is a text of item 0.
    return kind === 'arguments' ? (this.tools.get(part) ?? this.tools.get(part.split(':', 1)[0])) : undefined;
  }

  /** `logging_only`, on copies. Rejects if they must not be logged. */
  async logged({ request, answer }: LoggedBodies): Promise<LoggedBodies> {
    const copies = { request: request && copiedBody(request), answer: copiedBody({ answer: wholeAnswer(answer) }) };
    for (const check of this.in('logging_only')) {
      if (copies.request !== undefined) await this.changeLogged(check, 'request', this.call.operation, copies.request);
      await this.changeLogged(check, 'answer', ANY_OPERATION, copies.answer);
    }
    return { request: copies.request, answer: copies.answer.answer };
  }

  private async changeLogged(check: GuardrailCheck, side: 'request' | 'answer', operation: string, body: Fields): Promise<void> {
    const texts = requestTexts(operation, body).filter(({ kind }) => kind !== 'tool_name');
    if (texts.length === 0) return;
    const edits = await check.run({ mode: 'logging_only', side, texts, isPartial: false });
    edits?.forEach((own, at) => own.length > 0 && texts[at].put(own));
  }

  private async checkRequest(check: GuardrailCheck, mode: 'pre_call' | 'during_call', body: Fields): Promise<CheckedEdits> {
    const texts = this.textsFor(check, body);
    return texts.length === 0 ? undefined : check.run({ mode, side: 'request', texts, isPartial: false });
  }

  private write(check: GuardrailCheck, body: Fields, edits: NonNullable<CheckedEdits>): void {
    this.textsFor(check, body).forEach(({ put }, at) => edits[at].length > 0 && put(edits[at]));
  }

  /** @throws CallDeniedError for a request that cannot be read */
  private textsFor(check: GuardrailCheck, body: Fields): readonly RequestText[] {
    const { params } = check.selected.of.entry;
    const isWanted = ({ role, kind }: GuardedText): boolean => {
      if (kind === 'tool_name' && !readsTools(check)) return false;
      if (params.scan_only_tool_results) return role === 'tool';
      if (params.skip_system_message_in_guardrail && (role === 'system' || role === 'developer')) return false;
      return !(params.skip_tool_message_in_guardrail && role === 'tool');
    };
    try {
      return requestTexts(this.call.operation, body).filter(isWanted);
    } catch (error) {
      if (error instanceof UnreadableRequest)
        throw new CallDeniedError(`A guardrail cannot read the request: ${error.message}.`, 'unreadable_request');
      throw error;
    }
  }

  private in(mode: GuardrailMode): readonly GuardrailCheck[] {
    return this.checks.filter(({ selected }) => selected.modes.has(mode));
  }
}

function readsTools({ selected }: GuardrailCheck): boolean {
  return selected.of.guardrail.abilities.readsToolNames === true;
}
