/** A destination for finished calls. */
export interface CallbackSink {
  /** Used in file names, metrics and log lines: `langfuse`. */
  readonly name: string;
  /** Maximum number of payloads per request. */
  readonly batchSize: number;
  /** How long a payload waits for more to join its request. */
  readonly flushMs: number;
  /** Selects calls by status. Default: all. */
  wants?(isSuccess: boolean): boolean;
  /** Whether this sink's payloads omit messages and answers even if other sinks get them. */
  readonly withoutTexts?: boolean;
  /**
   * Sends payloads, each one line of JSON.
   * @throws DeliveryError if not all have arrived; any other error counts as an outage.
   */
  send(payloads: readonly string[], signal: AbortSignal): Promise<void>;
}

/**
 * `away`: the sink may accept the payloads later. `too_large`: it may accept fewer at once.
 * `rejected`: it will never accept at least one of them.
 */
export type DeliveryFault = 'away' | 'too_large' | 'rejected';

/** Thrown when payloads were not delivered. */
export class DeliveryError extends Error {
  constructor(
    readonly fault: DeliveryFault,
    /** Status or code, never the sink's own message, which can quote a prompt or a key. */
    reason: string,
    /** Delay that the sink requested before the next attempt. */
    readonly retryAfterMs?: number,
  ) {
    super(reason);
    this.name = 'DeliveryError';
  }
}

/** Classifies an error thrown by a sink. */
export function deliveryErrorOf(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { code, name, cause } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown; readonly cause?: unknown };
  const inner = (cause ?? {}) as { readonly code?: unknown };
  const reason = [inner.code, code, name].find((each): each is string => typeof each === 'string' && each !== '');
  return new DeliveryError('away', reason ?? 'unknown error');
}
