import type { GuardrailRecord } from '../../common/call-record.js';
import type { CallDeniedError, CallHookFailedError } from '../../common/http-errors.js';
import type { Fields } from '../../common/objects.js';
import { excessOf } from '../../http/body/json-shape.js';
import { estimateTokens } from '../../http/token-estimate/token-estimate.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { ProviderError, type OpenAIErrorBody, type ProviderFailureKind } from '../../common/provider-error.js';
import { describeFailedCall, failedCallOf } from '../answer/failed-call.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import { bridgeOf } from '../../apis/bridges.js';
import type { Attempt } from '../attempt.js';
import type { Call, CallGuards } from '../call.js';
import { StreamEvents } from '../../providers/events/event-reader.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { ProviderExchange } from '../send/provider-exchange.js';
import type { AnswerGuards } from '../send/answer-guards.js';
import type { ReadStream } from '../send/provider-stream.js';
import type { ApiCallRequest, PromptReader } from '../call-request.js';
import type { LlmStream } from '../stream/llm-stream.js';
import { AnswerView } from './answer-view.js';
import { answerOfHook } from './hook-answer.js';
import { EventGuard } from './event-guard.js';
import { HookedStream } from './hooked-stream.js';
import { HookFault, type InstalledHook } from './installed-hook.js';
import type { RunningCall } from './running-call.js';
import type { AnswerText } from './call-hook.js';
import type { LoggedBodies } from './logged-bodies.js';
import { guardToolName, toolNamesIn } from './tool-names.js';
import { WrittenStream } from './written-stream.js';
import { JsonEscapes } from './text/json-escapes.js';
import { echoedTexts, otherSlots } from './text/other-texts.js';
import { ownFields, UnreadableText, type OwnFields, type TextSlot } from './text/text-format.js';
import { textFormatOf, unreadableTexts } from './text/text-formats.js';
import { readAnswerVerdict, readRequestVerdict, readTextVerdict } from './verdict-checks.js';

/** Failures whose messages do not contain text from the provider. */
const OWN_MESSAGES: ReadonlySet<ProviderFailureKind> = new Set(['timeout', 'connection', 'malformed']);

/** Largest body with which a hook can replace a request: that of a program's own bytes. */
const LARGEST_REQUEST = 32 * 1024 * 1024;

/** Dependencies of guards. */
export interface GuardSettings {
  readonly maxAnswerBytes: number;
  readonly counting: PromptReader;
}

/**
 * Runs the hooks that read or change the content of one call: its request, its answer, its error.
 */
export class ContentGuards implements CallGuards, AnswerGuards {
  private readonly maxAnswerBytes: number;
  /** The request, as the hooks so far have left it. */
  private request: ApiCallRequest;
  /** Texts of the request that answers may repeat. */
  private echoed: ReadonlySet<string> = new Set();
  /** Verdicts that are still awaited while the request is sent. */
  private during: Promise<void> | undefined = undefined;

  constructor(
    /** As the client has sent it. */
    private readonly asked: ApiCallRequest,
    private readonly hooks: RunningCall,
    private readonly settings: GuardSettings,
  ) {
    this.request = asked;
    this.maxAnswerBytes = settings.maxAnswerBytes;
  }

  async prepare(call: Call): Promise<LlmAnswer | LlmStream | undefined> {
    const { hooks } = this;
    const { operation } = this.request;
    if (this.request.stream) hooks.refuseStreams();
    hooks.refuseUnreadable('onText', unreadableTexts(this.request.forwarded));
    for (const hook of hooks.with('onRequest')) {
      const verdict = await hook.guard({
        method: 'onRequest',
        run: (each) => each.onRequest?.(hooks.view),
        read: readRequestVerdict,
        unguarded: undefined,
      });
      if (verdict !== undefined && 'answer' in verdict) {
        try {
          checkSize('an answer', verdict.answer, this.maxAnswerBytes);
          const answer = answerOfHook(verdict.answer, operation, this.request);
          hooks.answered();
          return answer;
        } catch (error) {
          hook.unguarded('onRequest', error, undefined);
        }
      } else {
        try {
          await this.take(verdict?.replace ?? hooks.body);
        } catch (error) {
          hook.unguarded('onRequest', error, undefined);
        }
      }
    }
    const { request } = this;
    if (operation === 'responses' && hooks.with('onText').length > 0) this.echoed = echoedTexts(hooks.body);
    await this.reserveMore(call, request);
    await request.countPrompt(this.settings.counting);
    call.take(request);
    this.during = this.startedDuring(call);
    // The bytes of the answer are not read, so a denial must come before them.
    if (request.forwarded?.answer === 'bytes') await this.during;
    return undefined;
  }

  /** Names of the guardrails that apply, for the headers of the answer. */
  get applied(): readonly string[] {
    const { hooks } = this.hooks;
    return hooks.flatMap((hook) => (hook.has('applied') ? hook.read((each) => each.applied?.(this.hooks.view) ?? []) : []));
  }

  records(): readonly GuardrailRecord[] {
    const { hooks } = this.hooks;
    return hooks.flatMap((hook) => (hook.has('records') ? hook.read((each) => each.records?.(this.hooks.view) ?? []) : []));
  }

  get logged(): ((bodies: LoggedBodies) => Promise<LoggedBodies>) | undefined {
    const [hook] = this.hooks.with('onLog');
    return hook === undefined ? undefined : async (bodies) => hook.read((each) => each.onLog?.(this.hooks.view, bodies) ?? bodies);
  }

  /** Verdicts about the request while it is sent. A denial ends the call at once. */
  private startedDuring(call: Call): Promise<void> | undefined {
    const { hooks } = this;
    const verdicts = hooks.with('duringCall').flatMap((hook) => {
      const turn = { method: 'duringCall', read: () => {}, unguarded: undefined } as const;
      const verdict = hook.guard<void>({ ...turn, run: (each) => each.duringCall?.(hooks.view) });
      return verdict instanceof Promise ? [verdict] : [];
    });
    if (verdicts.length === 0) return undefined;
    const during = Promise.all(verdicts).then(() => {});
    // Where the answer waits for it, it is thrown as well.
    during.catch((denial: CallDeniedError | CallHookFailedError) => call.cancellation.deny(denial));
    return during;
  }

  /** A changed body may use more tokens than were reserved. @throws RateLimitExceededError */
  private async reserveMore({ request: context }: Call, request: ApiCallRequest): Promise<void> {
    if (context?.estimated === undefined || request === this.asked) return;
    const { tokens, tokensPerMinute } = context.estimated;
    const { body, json, isLarge } = request;
    const { counter } = this.settings.counting;
    const more = (await estimateTokens(body, { counter, tokensPerMinute, json, isLarge })) - tokens;
    const denial = more > 0 ? await context.hold.holdTokens(more) : undefined;
    if (denial !== undefined) throw denial;
  }

  /** Also a body that a hook has changed in place. @throws InvalidArgumentError for a wrong one */
  private async take(body: Fields): Promise<void> {
    const { hooks } = this;
    const { stream, forwarded } = this.request;
    if (body !== hooks.body && forwarded?.form !== undefined)
      throw new InvalidArgumentError('onRequest().replace', body, 'must not be set, because a form cannot be replaced');
    if (!this.asked.isUnchanged(body)) checkSize('a request', body, LARGEST_REQUEST);
    const read = await this.asked.revise(body as ModelRequest);
    if (read.stream !== stream)
      throw new InvalidArgumentError('onRequest().replace.stream', read.stream, `must be ${stream}, as the client requested`);
    this.request = read;
    hooks.body = body;
  }

  async guardMock(mock: LlmAnswer | WrittenStream): Promise<LlmAnswer | WrittenStream> {
    const guarded = mock instanceof LlmAnswer ? await this.guardWhole(mock) : await this.guardWritten(mock);
    this.hooks.answered();
    return guarded;
  }

  async guardWhole(given: LlmAnswer): Promise<LlmAnswer> {
    await this.during;
    let answer = given;
    for (const hook of this.hooks.hooks) {
      if (hook.has('onText', this.hooks.view)) answer = await this.guardTexts(hook, answer);
      if (hook.has('onAnswer', this.hooks.view)) answer = await this.guardAnswer(hook, answer);
    }
    return answer;
  }

  /** The error for the client. Its text from the provider is checked like any other. */
  async guardFailure(error: unknown): Promise<unknown> {
    if (!(error instanceof ProviderError) || OWN_MESSAGES.has(error.kind)) return error;
    const { message, type, param, code: providerCode, details } = error.error;
    const texts: OwnFields = { message, type, param, code: providerCode, ...(details && { details: structuredClone(details) }) };
    let isChanged = false;
    try {
      for (const hook of this.hooks.with('onText'))
        for (const slot of otherSlots(texts, [], this.echoed).slots) isChanged = await this.guardText(hook, slot, isChanged);
    } catch (denial) {
      return denial;
    }
    if (!isChanged) return error;
    const { kind, providerStatus: status, provider, deploymentId, retryAfterMs, providerRequestId } = error;
    const guarded = texts as Pick<OpenAIErrorBody, 'message' | 'type' | 'param' | 'code' | 'details'>;
    const facts = { kind, provider, deploymentId, message: guarded.message, type: guarded.type, param: guarded.param };
    const guardedError = new ProviderError({
      ...facts,
      ...(status !== undefined && { status }),
      ...(guarded.code !== null && { providerCode: guarded.code }),
      ...(guarded.details !== undefined && { details: guarded.details }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(providerRequestId !== undefined && { providerRequestId }),
    });
    describeFailedCall(guardedError, failedCallOf(error));
    return guardedError;
  }

  private async guardTexts(hook: InstalledHook, answer: LlmAnswer): Promise<LlmAnswer> {
    const format = textFormatOf(this.request.operation);
    if (format === undefined) return answer;
    let isChanged: boolean;
    let fields: OwnFields;
    let slots: readonly TextSlot[];
    try {
      fields = ownFields(JSON.parse(answer.bytes.toString('utf8')));
      const known = format.whole(fields);
      const others = otherSlots(
        fields,
        known.flatMap(({ at }) => at ?? []),
        this.echoed,
      );
      slots = [...known, ...others.slots];
      ({ isChanged } = others);
    } catch (error) {
      const reason = error instanceof UnreadableText ? error.message : 'an answer that is not a JSON object';
      return hook.unguarded('onText', new HookFault(`cannot read ${reason}`), answer);
    }
    for (const { name, part } of hook.has('onToolName', this.hooks.view) ? toolNamesIn(fields) : [])
      await guardToolName(hook, this.hooks, { name, part });
    const given = slots.filter(({ text }) => text !== '');
    if (hook.has('onTexts')) isChanged = await this.guardAllTexts(hook, given, isChanged);
    else for (const slot of given) isChanged = await this.guardText(hook, slot, isChanged);
    if (!isChanged) return answer;
    try {
      return writtenAnswer(answer, fields, this.maxAnswerBytes);
    } catch (error) {
      return hook.unguarded('onText', error, answer);
    }
  }

  /** The texts of the answer together. Returns whether anything has changed so far. */
  private guardAllTexts(hook: InstalledHook, slots: readonly TextSlot[], isChanged: boolean): boolean | Promise<boolean> {
    const asked = slots.map(askedText);
    return hook.guard({
      method: 'onText',
      run: (each) => each.onTexts?.(this.hooks.view, asked),
      read: (texts) =>
        (texts as readonly string[]).reduce((changed, text, at) => {
          if (text === asked[at].text) return changed;
          slots[at].put(text);
          return true;
        }, isChanged),
      unguarded: isChanged,
    });
  }

  /** Whether anything has changed so far. */
  private guardText(hook: InstalledHook, { put, ...slot }: TextSlot, isChanged: boolean): boolean | Promise<boolean> {
    const asked = askedText({ put, ...slot });
    return hook.guard({
      method: 'onText',
      run: (each) => each.onText?.(this.hooks.view, asked),
      read: (verdict) => {
        const { pass } = readTextVerdict(verdict, asked);
        if (pass === asked.text) return isChanged;
        put(pass);
        return true;
      },
      unguarded: isChanged,
    });
  }

  private async guardAnswer(hook: InstalledHook, answer: LlmAnswer): Promise<LlmAnswer> {
    const view = new AnswerView(answer.bytes, answer.usage, answer.call);
    return hook.guard({
      method: 'onAnswer',
      run: (each) => each.onAnswer?.(this.hooks.view, view),
      read: (given) => {
        const verdict = readAnswerVerdict(given);
        return verdict === undefined ? answer : writtenAnswer(answer, verdict.replace, this.maxAnswerBytes);
      },
      unguarded: answer,
    });
  }

  guardStream(attempt: Attempt, exchange: ProviderExchange, read: ReadStream): ReadStream {
    const { request } = this;
    const guard = request.forwarded?.answer === 'bytes' ? undefined : this.eventGuard();
    if (guard === undefined) return read;
    const opening = { after: this.during, untilText: this.hooks.with('onTexts').length > 0 };
    const source = { ...read, opening, bridgeAnew: () => bridgeOf(request.operation)?.answer(request.body) };
    const stream = new HookedStream(exchange, guard, source, () => attempt.arrived());
    attempt.begin(stream);
    stream.begin();
    return stream;
  }

  private async guardWritten(stream: WrittenStream): Promise<WrittenStream> {
    await this.during;
    const guard = this.eventGuard();
    if (guard === undefined) return stream;
    let events = '';
    for (const event of stream.events.raw) events += await guard.pass(event);
    return new WrittenStream(stream.call, StreamEvents.of(events + (await guard.rest())));
  }

  /** `undefined`: no hook reads events. */
  private eventGuard(): EventGuard | undefined {
    const { hooks, request } = this;
    if (this.during === undefined && hooks.with('onText').length === 0 && hooks.with('onEvent').length === 0) return undefined;
    return new EventGuard(hooks, textFormatOf(request.operation), this.maxAnswerBytes, this.echoed);
  }
}

/** A text as hooks get it. */
function askedText({ put: _, at: _at, isJson, ...slot }: TextSlot): AnswerText {
  return isJson === true ? { ...slot, isJson, text: new JsonEscapes().read(slot.text, true) } : slot;
}

/** @throws HookFault above the maximum size of answers; TypeError if it is not JSON */
function writtenAnswer(answer: LlmAnswer, fields: object, maxBytes: number): LlmAnswer {
  checkSize('an answer', fields, maxBytes);
  const bytes = Buffer.from(JSON.stringify(fields));
  if (bytes.length > maxBytes) throw new HookFault(`returned an answer of more than ${maxBytes} bytes`);
  return new LlmAnswer(bytes, answer.usage, answer.call);
}

/** Refuses what only the caller's own function sends, if a guard would have to read it. */
export async function refuseUnread(hooks: RunningCall): Promise<undefined> {
  const reason = 'calls with execute or stream of LlmClient have no readable body';
  await Promise.resolve();
  for (const method of ['onRequest', 'duringCall', 'onText', 'onAnswer'] as const) hooks.refuseUnreadable(method, reason);
  return undefined;
}

/**
 * Checks JSON that a hook gives before it is written: the texts in it may be the same one a million
 * times.
 * @throws HookFault above `maxBytes`, and above the bounds of any JSON body
 */
function checkSize(what: string, value: unknown, maxBytes: number): void {
  const excess = excessOf(value);
  if (excess !== undefined) throw new HookFault(`returned ${what} that exceeds ${excess.bound} (${excess.limit})`);
  let left = maxBytes;
  const open = [value];
  for (let next = open.pop(); next !== undefined && left >= 0; next = open.pop()) {
    if (typeof next === 'string') left -= Buffer.byteLength(next);
    else if (typeof next !== 'object' || next === null) continue;
    else {
      if (!Array.isArray(next)) for (const key of Object.keys(next)) left -= Buffer.byteLength(key);
      for (const inner of Object.values(next)) if (typeof inner === 'string' || typeof inner === 'object') open.push(inner);
    }
  }
  if (left < 0) throw new HookFault(`returned ${what} of more than ${maxBytes} bytes`);
}
