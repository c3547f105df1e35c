import { modelFacts, type ModelFacts } from './models.js';
import type { TokenCounterEngine } from './engine/engine.js';

/** A model's facts and the handle of its encoding in each engine. */
export class CountingModel {
  readonly facts: ModelFacts;
  private native = -1;
  private typescript = -1;

  constructor(readonly name: string) {
    this.facts = modelFacts(name);
  }

  /** The handle of the encoding; the first call loads it. */
  handle(engine: TokenCounterEngine): number {
    if (engine.engine === 'native') return this.native >= 0 ? this.native : (this.native = engine.load(this.facts.encoding));
    return this.typescript >= 0 ? this.typescript : (this.typescript = engine.load(this.facts.encoding));
  }
}
