import { sampleOf, type Capability, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import { lazy } from '../common/lazy.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import type { TokenCounterEngine } from '../token-counter/engine/engine.js';
import type { AccelerationOptions } from './acceleration.options.js';
import type * as Patching from './acceleration.patches.js';
import type { PatchStatus } from './patch-status.js';
import { StandIn } from './stand-in.js';
import type { RequestPool } from './libraries/undici.js';

/** Few apps patch libraries. */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when it is first used
const patches = lazy(() => (require('./acceleration.patches.js') as typeof Patching).patches);

/**
 * Patches libraries that the app already uses, in place and reversibly, so that the native engine
 * answers with the same results. Patches nothing until `apply` is called.
 *
 * @example
 * acceleration.apply({ targets: ['js-tiktoken'] }); // true: LangChain's text splitters are faster from here on
 * acceleration.remove();
 */
export class AccelerationService implements Capability {
  readonly capability = 'acceleration';
  private readonly standIn: StandIn;
  private hasApplied = false;

  /**
   * @param pool Takes the requests of undici's global dispatcher; without it undici is not patched.
   * @internal
   */
  constructor(
    choice: EngineChoice<TokenCounterEngine>,
    private readonly pool?: RequestPool,
  ) {
    this.standIn = new StandIn(choice);
  }

  /**
   * Patches the installed libraries for the whole thread. Can be called again for new copies.
   * @returns `false`, and patches nothing, without the native engine.
   * @throws InvalidArgumentError for an unknown target.
   */
  apply(options: AccelerationOptions = {}): boolean {
    this.hasApplied = true;
    return patches().apply(this, { standIn: this.standIn, pool: this.pool }, options);
  }

  /**
   * Restores the original functions, including patches that other instances applied.
   * @returns whether anything was patched.
   */
  remove(): boolean {
    return patches().removeAll();
  }

  /** The copies of each library, their state, and how many calls each engine answered. */
  status(): PatchStatus {
    return patches().status(this.standIn);
  }

  /** Which libraries are patched, or why none is. */
  get summary(): string {
    const { applied, reason, targets } = this.status();
    const patched = patchedOf(targets);
    if (patched.length > 0) return `${patched.join(', ')} patched`;
    return `no library patched (${applied ? 'none installed' : reason})`;
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
    return { status: applied && this.standIn.choice.impaired ? 'degraded' : 'ok', engine, reason, patched };
  }
}

function patchedOf(targets: PatchStatus['targets']): string[] {
  return Object.entries(targets).flatMap(([name, { state }]) => (state === 'patched' ? [name] : []));
}
