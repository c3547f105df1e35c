/** Whoever keeps an order of deployments, and has to hear of changes. */
export interface Watcher {
  /** The deployment at `position` has changed. */
  update(position: number, nowMs: number): void;
  /** Anything may have changed. */
  forget(): void;
}
