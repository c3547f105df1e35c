import type { AttemptStart, CallObserver, CallOutcome, CallStart, ObservedAttempt, ObservedCall } from '../common/call-observer.js';
import type { LogSink } from '../common/log-sink.js';

/**
 * The observers of a client's calls, combined into one. Their errors are logged once and change
 * nothing.
 */
export class CallObservers {
  list: readonly AddedObserver[] = [];

  constructor(private readonly log: LogSink) {}

  /** Returns the function that removes the observer. */
  add(observer: CallObserver): () => void {
    const added = new AddedObserver(observer, this.log);
    this.list = [...this.list, added];
    return () => void (this.list = this.list.filter((each) => each !== added));
  }

  /** @param own of this call alone: its hooks */
  started(call: CallStart, own?: ObservedCall): ObservedCall | undefined {
    const observed: ObservedCall[] = [];
    for (const added of this.list) {
      try {
        const of = added.observer.started(call);
        if (of !== undefined) observed.push(new SafeCall(of, added));
      } catch (error) {
        added.report(error);
      }
    }
    if (own !== undefined) observed.push(own);
    return observed.length > 1 ? new JointCall(observed) : observed[0];
  }
}

/** Wraps an observer so that it cannot fail calls. */
class AddedObserver {
  private isReported = false;

  constructor(
    readonly observer: CallObserver,
    private readonly log: LogSink,
  ) {}

  /** `undefined` if it throws. */
  safely<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.report(error);
      return undefined;
    }
  }

  report(error: unknown): void {
    if (this.isReported) return;
    this.isReported = true;
    // Its message may quote a prompt.
    const name = error instanceof Error ? error.name : typeof error;
    this.log.error(`Call observer: threw (${name}); calls continue without it; further errors are not logged`);
  }
}

class SafeCall implements ObservedCall {
  constructor(
    private readonly call: ObservedCall,
    private readonly observer: AddedObserver,
  ) {}

  attempt(start: AttemptStart): ObservedAttempt {
    const { observer } = this;
    const attempt = observer.safely(() => this.call.attempt(start));
    if (attempt === undefined) return UNOBSERVED;
    return {
      run: (send) => runOnce(attempt, send, observer),
      firstChunk: () => observer.safely(() => attempt.firstChunk()),
      ended: (outcome) => observer.safely(() => attempt.ended(outcome)),
    };
  }

  ended(outcome: CallOutcome): void {
    this.observer.safely(() => this.call.ended(outcome));
  }
}

/** Sends exactly once, whatever the observer does. Errors of `send` are not the observer's. */
function runOnce<T>(attempt: ObservedAttempt, send: () => T, observer: AddedObserver): T {
  let sent: { readonly result: T } | { readonly error: unknown } | undefined;
  const once = (): T => {
    try {
      const result = send();
      sent = { result };
      return result;
    } catch (error) {
      sent = { error };
      throw error;
    }
  };
  observer.safely(() => {
    try {
      return attempt.run(once);
    } catch (error) {
      if (sent !== undefined && 'error' in sent && sent.error === error) return undefined;
      throw error;
    }
  });
  if (sent === undefined) return send();
  if ('error' in sent) throw sent.error;
  return sent.result;
}

const UNOBSERVED: ObservedAttempt = { run: (send) => send(), firstChunk: () => {}, ended: () => {} };

/** A call with several observers. */
class JointCall implements ObservedCall {
  constructor(private readonly observed: readonly ObservedCall[]) {}

  attempt(start: AttemptStart): ObservedAttempt {
    const attempts = this.observed.map((call) => call.attempt(start));
    return {
      // The first one's context is the outermost.
      run: (send) => attempts.reduceRight((inner, attempt) => () => attempt.run(inner), send)(),
      firstChunk: () => attempts.forEach((attempt) => attempt.firstChunk()),
      ended: (outcome) => attempts.forEach((attempt) => attempt.ended(outcome)),
    };
  }

  ended(outcome: CallOutcome): void {
    this.observed.forEach((call) => call.ended(outcome));
  }
}
