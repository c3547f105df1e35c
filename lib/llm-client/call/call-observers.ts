import type { AttemptStart, CallObserver, CallOutcome, CallStart, ObservedAttempt, ObservedCall } from '../../common/call-observer.js';

/** The observers of a client's calls, as one. */
export class CallObservers implements CallObserver {
  private observers: readonly CallObserver[] = [];

  /** Returns the function that removes the observer. */
  add(observer: CallObserver): () => void {
    // A new object, so that adding one observer twice and removing one of the two is right.
    const added: CallObserver = { started: (call) => observer.started(call) };
    this.observers = [...this.observers, added];
    return () => void (this.observers = this.observers.filter((each) => each !== added));
  }

  started(call: CallStart): ObservedCall | undefined {
    const { observers } = this;
    if (observers.length === 0) return undefined;
    const observed = observers.map((each) => each.started(call)).filter((each) => each !== undefined);
    return observed.length > 1 ? new JointCall(observed) : observed[0];
  }
}

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
