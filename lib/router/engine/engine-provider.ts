import type { PreparedWork } from '../../engine/comparison.js';
import type { EngineProvider } from '../../engine/provide-engine.js';
import { Order } from '../selection/strategies/strategies.js';
import { Fact, FACTS, Question, QUESTION_LENGTH, type Members, type RouterEngine } from './engine.js';
import { NativeRouterEngine } from './native.js';
import { selfTest } from './self-test.js';
import { TypeScriptRouterEngine } from './typescript.js';

/** The two engines that select deployments. */
export const ROUTER_ENGINES: EngineProvider<RouterEngine> = {
  name: 'Router',
  feature: 'rust_routing',
  native: (binding) => new NativeRouterEngine(binding),
  typescript: () => new TypeScriptRouterEngine(),
  selfTest,
  comparison: [200, 1_000].map((count) => ({ operation: `choose_${count}`, prepare: (engine) => prepareChoices(engine, count) })),
};

const NOBODY = new Uint8Array();
const NOW_MS = 1_700_000_000_000;

/** All that an engine is asked for, over a group of this size. */
function prepareChoices(engine: RouterEngine, count: number): PreparedWork {
  const memory = engine.open(null, count);
  const members: Members = {
    slots: Int32Array.from({ length: count }, (_, slot) => slot),
    facts: new Float64Array(count * FACTS).fill(Infinity),
  };
  for (let slot = 0; slot < count; slot++) {
    memory.inFlight[slot] = (slot * 7) % 50;
    members.facts[slot * FACTS + Fact.weight] = 1 + (slot % 5);
    if (slot % 10 === 0) memory.coolingUntil[slot] = NOW_MS + 5_000;
  }
  const leaves = 2 ** Math.ceil(Math.log2(count));
  const keys = new Float64Array(leaves).fill(Infinity);
  const ties = Int32Array.from({ length: leaves }, (_, position) => position);
  const winners = new Int32Array(2 * leaves);
  const chances = new Float64Array(count);
  const aliases = new Int32Array(2 * count);
  const question = new Float64Array(QUESTION_LENGTH);
  question[Question.nowMs] = NOW_MS;
  question[Question.random] = 0.5;
  const run = (): void => {
    question[Question.order] = Order.inFlight;
    engine.rank(memory, members, question, keys, ties, winners);
    engine.scan(memory, members, NOBODY, question);
    question[Question.order] = Order.shuffle;
    engine.lottery(memory, members, question, chances, aliases);
  };
  return { run };
}
