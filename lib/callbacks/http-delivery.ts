import { DeliveryError, type DeliveryFault } from './delivery.js';

/** One request to a sink. */
export interface DeliveryRequest {
  readonly method?: 'POST' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

const TOO_LARGE = 413;
/** The payload is at fault: every further attempt would fail the same way. */
const REJECTED: ReadonlySet<number> = new Set([400, 422]);
const LONGEST_RETRY_AFTER_MS = 10 * 60_000;
/**
 * Maximum length of a response body to read: reports of partial success take a few hundred
 * characters.
 */
const LONGEST_ANSWER = 64 * 1024;

/**
 * Sends one request and returns the beginning of the response body.
 * @throws DeliveryError for a status other than 2xx; the error of `fetch` if there is no response.
 */
export async function deliver({ method = 'POST', url, headers, body, signal }: DeliveryRequest): Promise<string> {
  // A redirect could send the credentials to another host.
  const response = await fetch(url, { method, headers, body, signal, redirect: 'manual' });
  const { status } = response;
  if (status >= 200 && status < 300) return startOf(response);
  await response.body?.cancel().catch(() => {});
  throw new DeliveryError(faultOf(status), `status ${status}`, retryAfterOf(response.headers.get('retry-after')));
}

/** A wrong key or address is an outage: the operator can correct it, and nothing is lost. */
function faultOf(status: number): DeliveryFault {
  if (status === TOO_LARGE) return 'too_large';
  return REJECTED.has(status) ? 'rejected' : 'away';
}

async function startOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    // Leaving the loop cancels the rest.
    if (text.length > LONGEST_ANSWER) break;
  }
  return text;
}

/** `Retry-After`: seconds, or a date. */
function retryAfterOf(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : undefined;
}
