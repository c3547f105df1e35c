import { sampleOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { lazy } from '../common/lazy.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import type { TokenCounterEngine } from '../token-counter/engine/engine.js';
import { ACCELERATION_TARGETS, type AccelerationOptions } from './acceleration.options.js';
import type * as Patching from './acceleration.patches.js';
import type { PatchStatus, TargetStatus } from './patch-status.js';
import { NativeTokenizer } from './native-tokenizer.js';
import type { RequestPool } from './libraries/undici.js';

/** Few apps patch libraries: until one does, in this thread, their files are not loaded. */
let areLoaded = false;
const patches = lazy(() => {
  areLoaded = true;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when it is first used
  return (require('./acceleration.patches.js') as typeof Patching).patches;
});
const NOT_APPLIED: TargetStatus = { state: 'not_applied', copies: [], answeredNatively: 0, passedOn: 0, passedOver: {} };

/**
 * Patches libraries that the app already uses, in place and reversibly, so that the native engine
 * answers with the same results. Patches nothing until `apply` is called.
 *
 * @example
 * acceleration.apply({ targets: ['js-tiktoken'] }); // true: LangChain splits text faster
 * acceleration.remove();
 */
export class AccelerationService implements Capability {
  readonly capability = 'acceleration';
  private readonly tokenizer: NativeTokenizer;
  private hasApplied = false;

  /**
   * @param pool Sends the requests of undici's global dispatcher; without it, undici is not
   * patched.
   * @internal
   */
  constructor(
    choice: EngineChoice<TokenCounterEngine>,
    private readonly pool?: RequestPool,
  ) {
    this.tokenizer = new NativeTokenizer(choice);
  }

  /**
   * Patches the installed libraries for the whole thread. Call it again to patch new copies.
   * @returns `false` without the native engine; nothing is patched then.
   * @throws InvalidArgumentError for an unknown target.
   */
  apply(options: AccelerationOptions = {}): boolean {
    this.hasApplied = true;
    return patches().apply(this, { tokenizer: this.tokenizer, pool: this.pool }, options);
  }

  /**
   * Restores the original functions, including patches that other instances applied.
   * @returns whether anything was patched.
   */
  remove(): boolean {
    return areLoaded && patches().removeAll();
  }

  /** The copies of each library, their state, and how many calls each engine answered. */
  status(): PatchStatus {
    if (areLoaded) return patches().status(this.tokenizer);
    const { active, reason } = this.tokenizer.choice;
    const targets = Object.fromEntries(ACCELERATION_TARGETS.map((name) => [name, NOT_APPLIED])) as PatchStatus['targets'];
    return { applied: false, rustAvailable: active === 'native', reason, targets };
  }

  /** Summarizes which libraries are patched, or why none is. */
  get summary(): string {
    const { applied, reason, targets } = this.status();
    const patched = patchedOf(targets);
    if (patched.length > 0) return `patched ${patched.join(', ')}`;
    return `no library is patched (${applied ? 'none is installed' : reason})`;
  }

  /** Restores the functions that only this instance had patched. */
  close(): void {
    if (this.hasApplied) patches().release(this);
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    const help = 'Calls of patched functions, by the implementation that answered.';
    const calls = (library: string, by: 'native' | 'library', value: number): MetricSample =>
      sampleOf('acceleration_calls_total', help, 'counter', value, { library, answered_by: by });
    return Object.entries(this.status().targets).flatMap(([library, { state, answeredNatively, passedOn }]) => [
      sampleOf('acceleration_patched', 'Whether the library is patched.', 'gauge', Number(state === 'patched'), { library }),
      calls(library, 'native', answeredNatively),
      calls(library, 'library', passedOn),
    ]);
  }

  /** `degraded` while libraries are patched but native errors keep the native engine off. */
  health(): CapabilityHealth {
    const { applied, rustAvailable, reason, targets } = this.status();
    const patched = patchedOf(targets);
    const engine = rustAvailable ? 'native' : 'typescript';
    return { status: applied && this.tokenizer.choice.impaired ? 'degraded' : 'ok', engine, reason, patched };
  }
}

function patchedOf(targets: PatchStatus['targets']): string[] {
  return Object.entries(targets).flatMap(([name, { state }]) => (state === 'patched' ? [name] : []));
}
