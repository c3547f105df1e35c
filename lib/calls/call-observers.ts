import type { AttemptStart, CallObserver, CallOutcome, CallStart, ObservedAttempt, ObservedCall } from '../common/call-observer.js';
import type { LogSink } from '../common/log-sink.js';
import type { Call } from './call.js';
import type { WatchedAttempt, WatchedCall } from './attempt-observer.js';

/**
 * The observers of a client's calls, combined into one. Their errors are logged once and change
 * nothing.
 */
export class CallObservers {
  list: readonly Started[] = [];

  constructor(private readonly log: LogSink) {}

  /** Returns the function that removes the observer. */
  add(observer: CallObserver): () => void {
    const added = new AddedObserver(observer, this.log);
    return this.append((start) => added.started(start));
  }

  /** Adds an observer within the package, which sees the call itself. */
  addOwn(watch: (call: Call) => WatchedCall): () => void {
    return this.append((_start, call) => watch(call));
  }

  /** A call begins. Its hooks observe it, too. */
  started(start: CallStart, call: Call): WatchedCall | undefined {
    const observed: WatchedCall[] = [];
    for (const started of this.list) {
      const of = started(start, call);
      if (of !== undefined) observed.push(of);
    }
    if (call.observed !== undefined) observed.push(call.observed);
    return observed.length > 1 ? new JointCall(observed) : observed[0];
  }

  private append(started: Started): () => void {
    this.list = [...this.list, started];
    return () => void (this.list = this.list.filter((each) => each !== started));
  }
}

type Started = (start: CallStart, call: Call) => WatchedCall | undefined;

/** Wraps an observer so that it cannot fail calls. */
class AddedObserver {
  private isReported = false;

  constructor(
    private readonly observer: CallObserver,
    private readonly log: LogSink,
  ) {}

  started(start: CallStart): WatchedCall | undefined {
    const observed = this.safely(() => this.observer.started(start));
    return observed === undefined ? undefined : new SafeCall(observed, this);
  }

  /** `undefined` if it throws. */
  safely<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.report(error);
      return undefined;
    }
  }

  private report(error: unknown): void {
    if (this.isReported) return;
    this.isReported = true;
    // The message of an error can quote a prompt, so only its name is logged.
    const name = error instanceof Error ? error.name : typeof error;
    this.log.error(`Call observer: an observer threw (${name}); calls continue without the observer; further errors are not logged`);
  }
}

class SafeCall implements WatchedCall {
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

/** Sends exactly once, regardless of the observer. Errors of `send` are not the observer's. */
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
class JointCall implements WatchedCall {
  constructor(private readonly observed: readonly WatchedCall[]) {}

  attempt(start: AttemptStart, attempt: WatchedAttempt): ObservedAttempt {
    const attempts = this.observed.map((call) => call.attempt(start, attempt));
    return {
      // The context of the first observer is the outermost.
      run: (send) => attempts.reduceRight((inner, attempt) => () => attempt.run(inner), send)(),
      firstChunk: () => attempts.forEach((attempt) => attempt.firstChunk()),
      ended: (outcome) => attempts.forEach((attempt) => attempt.ended(outcome)),
    };
  }

  ended(outcome: CallOutcome): void {
    this.observed.forEach((call) => call.ended(outcome));
  }
}
