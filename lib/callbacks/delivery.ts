/** Where finished calls are sent. */
export interface CallbackSink {
  /** Names its files, metrics and log lines: `langfuse`. */
  readonly name: string;
  /** Most payloads of one request. */
  readonly batchSize: number;
  /** How long a payload waits for others. */
  readonly flushMs: number;
  /** Whether it wants calls of this status. Default: all. */
  wants?(isSuccess: boolean): boolean;
  /** Whether its payloads have no texts although the app logs them. */
  readonly withoutTexts?: boolean;
  /**
   * Sends payloads, each a JSON text on one line.
   * @throws DeliveryError if not all have arrived; any other error counts as an outage.
   */
  send(payloads: readonly string[], signal: AbortSignal): Promise<void>;
}

/**
 * `away`: the sink may accept the payloads later. `too_large`: it may accept fewer at once.
 * `rejected`: it will not accept at least one of them.
 */
export type DeliveryFault = 'away' | 'too_large' | 'rejected';

/** Payloads that did not arrive. */
export class DeliveryError extends Error {
  constructor(
    readonly fault: DeliveryFault,
    /** Status or code, without texts of the sink: they can quote a prompt or a key. */
    reason: string,
    /** When the sink wants the next request. */
    readonly retryAfterMs?: number,
  ) {
    super(reason);
    this.name = 'DeliveryError';
  }
}

/** What the error of a sink means. */
export function deliveryErrorOf(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { code, name, cause } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown; readonly cause?: unknown };
  const inner = (cause ?? {}) as { readonly code?: unknown };
  const reason = [inner.code, code, name].find((each) => typeof each === 'string' && each !== '');
  return new DeliveryError('away', reason === undefined ? 'unknown error' : String(reason));
}
