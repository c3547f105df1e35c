import type { AccelerationTarget } from './acceleration.options.js';

/** One installed copy of a library. */
export interface CopyStatus {
  /** Where this copy is installed. */
  readonly folder: string;
  /** Its version, from its package.json. */
  readonly version: string;
  /** What became of the copy. */
  readonly state: 'patched' | 'left_alone';
  /** Why it was left alone, or which of its files could not be patched: under Jest, say, those that are ES modules. */
  readonly reason?: string;
}

/** How one library stands. */
export interface TargetStatus {
  /**
   * `left_alone`: there are copies, but none that could be patched. `covered`: removed, but what others have put on top since still calls our
   * functions, which now let everything through.
   */
  readonly state: 'patched' | 'not_applied' | 'not_installed' | 'left_alone' | 'covered';
  /** Why the library is not patched. */
  readonly reason?: string;
  /** All copies that were found. */
  readonly copies: readonly CopyStatus[];
  /** Calls since the start that the native engine answered; of undici, requests that the pool took. */
  readonly answeredNatively: number;
  /** Calls that the library itself answered: errors, texts that it reads in a way of its own, unknown tokenizers. */
  readonly passedOn: number;
  /** Tokenizers that are left to the library, by the reason. */
  readonly passedOver: Readonly<Record<string, number>>;
}

/** What `getPatchStatus` answers. */
export interface PatchStatus {
  /** Whether acceleration was asked for and is in force. */
  readonly applied: boolean;
  /** Whether the native engine answers patched calls at the moment; if not, the libraries themselves do. */
  readonly rustAvailable: boolean;
  /** Why, in a sentence. */
  readonly reason: string;
  /** By library. */
  readonly targets: Readonly<Record<AccelerationTarget, TargetStatus>>;
}
