import { setTimeout as sleep } from 'node:timers/promises';
import type { MetricSample } from '../common/capability.js';
import type { LogSink } from '../common/log-sink.js';
import { GuardrailUnreachableError } from './guardrail.js';

/** One request of a guardrail to its service. */
export interface GuardrailRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body: unknown;
  /** Of the `GuardrailInput`. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Only for a service that cannot be reached. */
  readonly numRetries: number;
}

/** The client that guardrails share. Connections are kept open between requests. */
export interface GuardrailHttp {
  /**
   * Sends a request and resolves with the JSON of the answer.
   * @throws GuardrailUnreachableError; any other error for an answer that cannot be used
   */
  post(request: GuardrailRequest): Promise<unknown>;
  metrics?(): readonly MetricSample[];
  close?(): void | Promise<void>;
}

/** Bytes of the longest answer that is read. */
const LONGEST_ANSWER = 16 * 1024 * 1024;
/** Failures in a row after which a service is not asked for a while. */
const FAILURES = 5;
const PAUSE_MS = 5_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 1_000;
const UNREACHABLE: ReadonlySet<number> = new Set([502, 503, 504]);

type Outcome = 'answered' | 'unreachable' | 'unusable' | 'paused';

/** Opens the client. */
export function openGuardrailHttp(log: LogSink): GuardrailHttp {
  return new PooledHttp(log);
}

class PooledHttp implements GuardrailHttp {
  private readonly services = new Map<string, Service>();

  constructor(private readonly log: LogSink) {}

  async post(request: GuardrailRequest): Promise<unknown> {
    const { origin } = new URL(request.url);
    let service = this.services.get(origin);
    if (service === undefined) this.services.set(origin, (service = new Service(origin, this.log)));
    return service.post(request);
  }

  metrics(): readonly MetricSample[] {
    return [...this.services.values()].flatMap((service) => service.metrics());
  }
}

/** One server, and whether it answers. */
class Service {
  private readonly counts = new Map<Outcome, number>();
  private failures = 0;
  private pausedUntilMs = 0;

  constructor(
    private readonly origin: string,
    private readonly log: LogSink,
  ) {}

  async post(request: GuardrailRequest): Promise<unknown> {
    for (let retries = 0; ; retries++) {
      try {
        return await this.attempt(request);
      } catch (error) {
        if (!(error instanceof GuardrailUnreachableError) || retries >= request.numRetries || request.signal.aborted) throw error;
      }
      const ms = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** retries);
      await sleep(ms * (0.5 + Math.random() / 2), undefined, { signal: request.signal }).catch(() => {
        throw new GuardrailUnreachableError('no verdict in time');
      });
    }
  }

  metrics(): readonly MetricSample[] {
    const help = 'Requests to services of guardrails, by outcome';
    return [...this.counts].map(([outcome, value]) => ({
      name: 'guardrail_requests_total',
      help,
      type: 'counter',
      value,
      labels: { service: this.origin, outcome },
    }));
  }

  private async attempt({ url, headers, body, signal, timeoutMs }: GuardrailRequest): Promise<unknown> {
    if (performance.now() < this.pausedUntilMs) {
      this.count('paused');
      throw new GuardrailUnreachableError(`paused after ${FAILURES} failures in a row`);
    }
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const sent = { 'content-type': 'application/json', accept: 'application/json', ...headers };
    let bytes: Buffer;
    try {
      // A redirect could send the text and the credentials to another host.
      const response = await fetch(url, { method: 'POST', headers: sent, body: JSON.stringify(body), signal: timeout, redirect: 'manual' });
      if (UNREACHABLE.has(response.status)) {
        await response.body?.cancel();
        throw new GuardrailUnreachableError(`status ${response.status}`);
      }
      bytes = await bytesOf(response);
      if (!response.ok) throw new Unusable(`status ${response.status}`);
    } catch (error) {
      if (error instanceof Unusable) {
        this.count('unusable');
        throw error;
      }
      // A call that its client has ended says nothing about the service.
      if (!signal.aborted) this.failed();
      this.count('unreachable');
      if (error instanceof GuardrailUnreachableError) throw error;
      throw new GuardrailUnreachableError(timeout.aborted ? `no answer within ${timeoutMs} ms` : 'no connection', { cause: error });
    }
    this.failures = 0;
    try {
      const answer = JSON.parse(bytes.toString('utf8')) as unknown;
      this.count('answered');
      return answer;
    } catch {
      this.count('unusable');
      throw new Unusable('an answer that is not JSON');
    }
  }

  private failed(): void {
    this.failures++;
    if (this.failures < FAILURES) return;
    // One request after the pause is enough to end or to prolong it.
    this.failures = FAILURES - 1;
    this.pausedUntilMs = performance.now() + PAUSE_MS;
    this.log.warn(`Guardrails: ${this.origin} cannot be reached; asking again in ${PAUSE_MS / 1000} s`);
  }

  private count(outcome: Outcome): void {
    this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1);
  }
}

/** The service answered, but not with a verdict. */
class Unusable extends Error {}

async function bytesOf({ body, headers }: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = Number(headers.get('content-length') ?? 0);
  if (length > LONGEST_ANSWER) {
    await body?.cancel();
    throw new Unusable(`an answer of more than ${LONGEST_ANSWER} bytes`);
  }
  length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > LONGEST_ANSWER) throw new Unusable(`an answer of more than ${LONGEST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
