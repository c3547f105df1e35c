import type { KnownEndpoint } from '../../providers/endpoint/endpoints.js';
import type { AnswerReader, CountCall } from '../../providers/protocol.js';
import { ProviderExchange } from '../send/provider-exchange.js';
import { inTime, providerRequest, renewsAfter } from '../send/provider-request.js';
import type { ProviderTransport } from '../../providers/provider-transport.js';

/** Largest answer: it has one figure. */
const MOST_BYTES = 64 * 1024;
/** More tokens than any context window has. */
const MOST_TOKENS = 1_000_000_000;
/** The answer is read as a whole. */
const READER: AnswerReader = {
  faultIn: () => undefined,
  usageIn: () => undefined,
  openingOf: () => 'undecided',
  errorAtEnd: () => undefined,
};
/** The whole request has a limit of its own. */
const TIMES = { headTimeoutMs: 0, bodyTimeoutMs: 0 };

/** A request to one counting endpoint. */
export interface Counting {
  readonly known: KnownEndpoint;
  readonly call: CountCall;
  /** The provider's name for the model. */
  readonly model: string;
}

/**
 * Asks a counting endpoint over the connection pool.
 * @param timeoutMs until the whole answer
 * @throws ProviderError for any failure, an answer without a count included
 */
export async function countAtProvider({ known, call, model }: Counting, transport: ProviderTransport, timeoutMs: number): Promise<number> {
  const wire = { ...call, reader: READER };
  const untilMs = performance.now() + timeoutMs;
  for (let isRenewed = false; ; isRenewed = true) {
    const exchange = new ProviderExchange({ known, call: wire, stream: false, maxBytes: MOST_BYTES });
    const timer = setTimeout(
      () => exchange.abort(known.errors.failed('timeout', 'The provider sent no count within the time limit.', exchange)),
      untilMs - performance.now(),
    );
    try {
      const sent = providerRequest({ model, times: TIMES }, known, call, exchange);
      const { protocol } = known.endpoint;
      (protocol.transport ?? transport).dispatch(sent instanceof Promise ? await inTime(sent, exchange) : sent, exchange);
      await exchange.answered;
      return tokensIn(exchange, call.field);
    } catch (error) {
      // A token that was revoked before it expired is fetched again, once.
      if (isRenewed || !renewsAfter(exchange, known.endpoint.authorization)) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @throws ProviderError for anything but a count. A request has at least one token. */
function tokensIn(exchange: ProviderExchange, field: string): number {
  let answer: unknown;
  try {
    answer = JSON.parse(exchange.takeBytes().toString('utf8'));
  } catch (error) {
    throw exchange.unreadable(error);
  }
  const tokens = typeof answer === 'object' && answer !== null ? (answer as Readonly<Record<string, unknown>>)[field] : undefined;
  if (typeof tokens === 'number' && Number.isInteger(tokens) && tokens >= 1 && tokens <= MOST_TOKENS) return tokens;
  throw exchange.unreadable(new Error(`the response has no token count in ${field}`));
}
