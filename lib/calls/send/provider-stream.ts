import type { BridgedAnswer } from '../../apis/bridge.js';
import type { AnswerUsage } from '../../http/answer-usage.js';
import type { AnswerCost } from '../answer/answer-cost.js';
import type { Attempt } from '../attempt.js';
import type { ClosableResponse } from '../cancellation.js';
import type { StreamOrigin, StreamSource } from '../stream/stream-origin.js';
import type { ProviderExchange } from './provider-exchange.js';

/** How a stream is read. */
export interface ReadStream {
  readonly origin: StreamOrigin & { whenOver(listener: (error: Error | undefined) => void): void };
  readonly hidesUsage: boolean;
  readonly bridged: BridgedAnswer | undefined;
  /** Whether the usage that the client gets has the cost. */
  readonly writesCost: boolean;
  /** Rejects with a denial before the first byte is passed on. */
  readonly opened?: Promise<void> | undefined;
}

/** A stream in progress: its end is the end of its attempt and of its call. */
export class ProviderStream implements StreamSource {
  readonly exchange: StreamOrigin;
  readonly hidesUsage: boolean;
  readonly bridged: BridgedAnswer | undefined;
  readonly writesCost: boolean;
  readonly writeTimeoutMs: number;
  usage: AnswerUsage | undefined = undefined;

  constructor(
    private readonly attempt: Attempt,
    private readonly provider: ProviderExchange,
    { origin, hidesUsage, bridged, writesCost, writeTimeoutMs }: ReadStream & { readonly writeTimeoutMs: number },
  ) {
    this.exchange = origin;
    this.hidesUsage = hidesUsage;
    this.writesCost = writesCost;
    this.writeTimeoutMs = writeTimeoutMs;
    this.bridged = bridged;
    origin.whenOver((error) => this.ended(error));
  }

  get response(): ClosableResponse | undefined {
    return this.attempt.call.cancellation.response;
  }

  get cost(): AnswerCost | undefined {
    return this.attempt.answerCost;
  }

  costSoFar(): AnswerCost | undefined {
    const usage = this.usage ?? this.provider.usageSoFar();
    return usage && this.attempt.costOf(usage);
  }

  leave(): void {
    this.attempt.call.cancellation.cancel(new Error('the stream was not read to its end'));
  }

  private ended(error: Error | undefined): void {
    const { attempt, provider } = this;
    const { usage, error: stated } = provider.ending();
    attempt.report(usage);
    if (usage === undefined) attempt.estimatedUsage = attempt.estimated();
    const failure = error ?? stated;
    if (failure === undefined) attempt.succeed();
    else attempt.breakOff(failure);
    this.usage = attempt.usage ?? (failure === undefined ? undefined : attempt.estimatedUsage);
  }
}
