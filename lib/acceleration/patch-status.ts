import type { AccelerationTarget } from './acceleration.options.js';

/** One installed copy of a library. */
export interface CopyStatus {
  /** Where this copy is installed. */
  readonly folder: string;
  /** Its version, from its package.json. */
  readonly version: string;
  readonly state: 'patched' | 'left_alone';
  /**
   * Why the copy was not patched, or which of its files could not be patched, such as ES modules
   * under Jest.
   */
  readonly reason?: string;
}

/** State of one library. */
export interface TargetStatus {
  /**
   * `left_alone`: no installed copy could be patched. `covered`: removed, but a later patch by
   * another library still calls our functions, which forward all calls.
   */
  readonly state: 'patched' | 'not_applied' | 'not_installed' | 'left_alone' | 'covered';
  /** Why the library is not patched. */
  readonly reason?: string;
  /** All copies found. */
  readonly copies: readonly CopyStatus[];
  /** Calls answered by the native engine; for undici, requests sent by the pool. */
  readonly answeredNatively: number;
  /** Calls left to the library: errors, texts that it splits differently, unknown tokenizers. */
  readonly passedOn: number;
  /** Tokenizers that only the library supports, by reason. */
  readonly passedOver: Readonly<Record<string, number>>;
}

/** Which libraries are patched, and their copies. */
export interface PatchStatus {
  /** Whether patches are applied. */
  readonly applied: boolean;
  /** Whether the native engine answers patched calls at the moment; otherwise the libraries do. */
  readonly rustAvailable: boolean;
  /** Why the native engine answers, or why it does not. */
  readonly reason: string;
  /** By library. */
  readonly targets: Readonly<Record<AccelerationTarget, TargetStatus>>;
}
