import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import type { TokenCounterEngine } from '../token-counter/engine/engine.js';
import type { AccelerationOptions, AccelerationTarget } from './acceleration.options.js';
import { patches } from './acceleration.patches.js';
import type { PatchStatus } from './patch-status.js';
import { StandIn } from './stand-in.js';
import type { RequestPool } from './libraries/undici.js';

/**
 * Patches libraries that the app already uses, in place and reversibly: same results, natively. Nothing is patched unasked.
 *
 * @example
 * acceleration.apply({ targets: ['js-tiktoken'] }); // true: LangChain's text splitters are faster from here on
 * acceleration.remove();
 */
export class AccelerationService implements Capability {
  readonly capability = 'acceleration';
  private readonly standIn: StandIn;

  /**
   * @param pool What takes the requests of undici's global dispatcher; without one it is left alone.
   * @internal
   */
  constructor(
    choice: EngineChoice<TokenCounterEngine>,
    private readonly pool?: RequestPool,
  ) {
    this.standIn = new StandIn(choice);
  }

  /**
   * Patches the libraries that are installed. Patches hold for the whole thread; asking again finds copies that have come since.
   * @returns whether acceleration is in force: `false` without the native engine, and then nothing was touched.
   * @throws InvalidArgumentError for a target that is not known.
   */
  apply(options: AccelerationOptions = {}): boolean {
    return patches.apply(this, { standIn: this.standIn, pool: this.pool }, options);
  }

  /**
   * Puts the very functions back that were there before, whoever asked for the patches.
   * @returns whether there was something to put back.
   */
  remove(): boolean {
    return patches.removeAll();
  }

  /** Each library's copies, what became of them, and who answered how many calls. */
  status(): PatchStatus {
    return patches.status(this.standIn);
  }

  /** In one sentence what is patched, or why nothing is. */
  get summary(): string {
    const { applied, reason, targets } = this.status();
    const patched = Object.keys(targets).filter((name) => targets[name as AccelerationTarget].state === 'patched');
    if (patched.length > 0) return `${patched.join(', ')} patched`;
    return `nothing is patched, ${applied ? 'no library of these is there to be' : reason}`;
  }

  /** Puts back what this instance alone asked for. */
  close(): void {
    patches.release(this);
  }

  /** Metrics of this capability at this moment, as data. */
  metrics(): readonly MetricSample[] {
    return Object.entries(this.status().targets).flatMap(([library, { state, answeredNatively, passedOn }]): MetricSample[] => [
      {
        name: 'acceleration_patched',
        help: 'Whether the library is patched.',
        type: 'gauge',
        value: Number(state === 'patched'),
        labels: { library },
      },
      {
        name: 'acceleration_calls_total',
        help: 'Calls of patched functions, by who answered.',
        type: 'counter',
        value: answeredNatively,
        labels: { library, answered_by: 'native' },
      },
      {
        name: 'acceleration_calls_total',
        help: 'Calls of patched functions, by who answered.',
        type: 'counter',
        value: passedOn,
        labels: { library, answered_by: 'library' },
      },
    ]);
  }

  /** `degraded`: libraries are patched, and native errors keep the native engine off, so that they answer themselves. */
  health(): CapabilityHealth {
    const { applied, rustAvailable, reason, targets } = this.status();
    const patched = Object.keys(targets).filter((name) => targets[name as AccelerationTarget].state === 'patched');
    const engine = rustAvailable ? 'native' : 'typescript';
    return { status: applied && this.standIn.impaired ? 'degraded' : 'ok', engine, reason, patched };
  }
}
