import type { EngineChoice } from '../../engine/engine-choice.js';
import type { RouterEngine } from './engine.js';

/** The question, whose answer the engine writes into it, and what it makes for it: a ranking's keys and winners, a lottery's chances and aliases. */
export type EngineArrays = readonly [question: Float64Array, figures: Float64Array, places: Int32Array];

type Fill = (engine: RouterEngine, ...arrays: EngineArrays) => void;

/** Has the arrays of a group of `count` deployments filled by the engine in charge. */
export function fillArrays(
  choice: EngineChoice<RouterEngine>,
  operation: string,
  group: string,
  count: number,
  arrays: EngineArrays,
  fill: Fill,
): void {
  const engine = choice.alwaysFor(count);
  if (engine === null) {
    // Two engines may answer, side by side: each for itself.
    const fillOwn = (each: RouterEngine): EngineArrays => {
      const [question, figures, places] = arrays;
      const own: EngineArrays = [question.slice(), figures.slice(), places.slice()];
      fill(each, ...own);
      return own;
    };
    const made = choice.run(operation, group, fillOwn, count);
    arrays.forEach((array, index) => array.set(made[index]));
    return;
  }
  try {
    fill(engine, ...arrays);
  } catch (error) {
    choice.recover(error, engine, (other) => fill(other, ...arrays));
  }
}
