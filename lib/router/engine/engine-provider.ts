import type { PreparedWork } from '../../engine/comparison.js';
import { leastBusy } from '../selection/strategies/least-busy.js';
import { simpleShuffle } from '../selection/strategies/simple-shuffle.js';
import { Fact, FACTS, factIndex, Question, QUESTION_LENGTH, type Members, type RouterEngine } from './engine.js';
import { NativeRouterEngine } from './native.js';
import { selfTest } from './self-test.js';
import { TypeScriptRouterEngine } from './typescript.js';
import type { EngineProvider } from '../../engine/engine-choice.js';

/** The two engines that select deployments. */
export const ROUTER_ENGINES: EngineProvider<RouterEngine> = {
  name: 'Router',
  feature: 'rust_routing',
  native: (binding) => new NativeRouterEngine(binding),
  typescript: () => new TypeScriptRouterEngine(),
  selfTest,
  comparison: [200, 1_000].map((count) => ({ operation: `choose_${count}`, prepare: (engine) => prepareChoices(engine, count) })),
};

const NO_DEPLOYMENTS = new Uint8Array();
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
    members.facts[factIndex(members, Fact.weight, slot)] = 1 + (slot % 5);
    if (slot % 10 === 0) memory.coolingUntil[slot] = NOW_MS + 5_000;
  }
  const question = new Float64Array(QUESTION_LENGTH);
  question[Question.nowMs] = NOW_MS;
  question[Question.random] = 0.5;
  const run = (): void => {
    for (const { number } of [leastBusy, simpleShuffle]) {
      question[Question.strategy] = number;
      engine.scan(memory, members, NO_DEPLOYMENTS, question);
    }
  };
  return { run };
}
