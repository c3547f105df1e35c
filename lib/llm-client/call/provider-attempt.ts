import { estimate } from './attempt-error.js';
import { AttemptTimer, type AttemptTimes, type FarTimers } from './attempt-timer.js';
import type { FallbackTarget } from './call-router.js';
import { LlmAnswer } from '../answer/llm-answer.js';
import type { ReadRequest } from '../request.js';
import { LlmStream, type StreamOwner } from '../stream/llm-stream.js';
import type { OpenAttempt } from './attempt-reporter.js';
import type { KnownEndpoint } from '../providers/endpoints.js';
import { ProviderExchange } from './provider-exchange.js';
import type { ProviderRequest, ProviderTransport } from '../providers/transport.js';
import { errorAtEnd } from '../stream/stream-error.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import { scanUsage } from '../answer/usage-scan.js';

/** undici's word for it. */
const NO_LIMIT = 0;

/** What is sent where, and how long that may take. */
export class ProviderQuestion {
  constructor(
    readonly path: string,
    readonly request: ReadRequest,
    readonly target: FallbackTarget,
    readonly known: KnownEndpoint,
    readonly times: AttemptTimes,
    readonly farTimers: FarTimers,
    readonly maxAnswerBytes: number,
  ) {}
}

/** Asks a deployment by the OpenAI protocol: its whole answer, or its stream when the first chunk is there. */
export async function askProvider(
  transport: ProviderTransport,
  attempt: OpenAttempt,
  question: ProviderQuestion,
  asksForUsage = question.request.addsUsage && !question.known.refusesStreamOptions,
): Promise<LlmAnswer | LlmStream> {
  const { request, target, known, times } = question;
  const { open, pick, model } = attempt;
  const { cancellation } = open;
  const { endpoint } = known;
  const exchange = new ProviderExchange(endpoint, pick.deployment.id, request.stream, question.maxAnswerBytes);
  const timer = new AttemptTimer(times, exchange, question.farTimers, attempt.startedAtMs);
  try {
    cancellation.active = exchange;
    if (cancellation.error !== undefined) throw cancellation.error;
    const { overrides } = target;
    const body = request.isLarge
      ? await request.bytesFor(model, known, overrides, asksForUsage)
      : request.textFor(model, known, overrides, asksForUsage);
    const headers = endpoint.headers as string[];
    const path = endpoint.pathOf(question.path, model);
    const { origin } = endpoint;
    const headersTimeout = times.isHeadSet === true ? NO_LIMIT : undefined;
    const bodyTimeout = times.isBodySet === true ? NO_LIMIT : undefined;
    const asked: ProviderRequest = { origin, path, method: 'POST', headers, body, headersTimeout, bodyTimeout };
    attempt.sending();
    if (attempt.isObserved) dispatchObserved(attempt, transport, asked, exchange);
    else transport.dispatch(asked, exchange);
    await exchange.answered;
  } catch (error) {
    timer.stop();
    // They are none of the caller's.
    if (asksForUsage && exchange.refusesStreamOptions) return askProvider(transport, attempt, question, false);
    throw attempt.refused(error, exchange.wasSent && !exchange.isRefused ? exchange.receivedTokens : undefined, timer.isOverByCaller);
  }
  if (request.stream) {
    // An error that repeats the whole request names them, too: it is they that were refused where it is answered without them.
    if (request.addsUsage && !asksForUsage) known.refusesStreamOptions = true;
    attempt.firstChunk();
    timer.firstChunk();
    const facts = open.answeredBy(pick, model, exchange.requestId);
    return new LlmStream(facts, exchange, new OwnedStream(exchange, attempt, timer), request.addsUsage, cancellation.response);
  }
  timer.stop();
  const nowMs = performance.now();
  attempt.answered(nowMs);
  const received = exchange.receivedTokens;
  const bytes = exchange.takeBytes();
  const usage = scanUsage(bytes);
  attempt.succeeded(usage, nowMs, estimate(attempt.promptTokens ?? 0, open.facts.operation === 'embeddings' ? 0 : received));
  const facts = open.answeredBy(pick, model, exchange.requestId, nowMs);
  return new LlmAnswer(bytes, usage, facts);
}

/** Apart from the rest: its function would be made for every call, observed or not. */
function dispatchObserved(attempt: OpenAttempt, transport: ProviderTransport, asked: ProviderRequest, exchange: ProviderExchange): void {
  attempt.run(() => transport.dispatch(asked, exchange));
}

/** A stream under way: its end is the end of the attempt and of the call. */
class OwnedStream implements StreamOwner {
  usage: AnswerUsage | undefined = undefined;

  constructor(
    private readonly exchange: ProviderExchange,
    private readonly attempt: OpenAttempt,
    private readonly timer: AttemptTimer,
  ) {
    exchange.whenOver((error) => this.ended(error));
  }

  left(): void {
    this.attempt.open.cancellation.cancel(new Error('the stream was not read to its end'));
  }

  private ended(error: Error | undefined): void {
    this.timer.stop();
    const { exchange, attempt } = this;
    const tail = exchange.tail();
    this.usage = scanUsage(tail);
    const said = error === undefined ? errorAtEnd(tail) : undefined;
    const failure = said === undefined ? error : exchange.said(said);
    const estimated = estimate(attempt.promptTokens ?? 0, exchange.receivedTokens);
    if (failure === undefined) attempt.succeeded(this.usage, undefined, estimated);
    else attempt.broke(failure, this.usage, estimated, this.timer.isOverByCaller);
    if (failure !== undefined) this.usage ??= estimated;
  }
}
