import { leastBusy } from '../selection/strategies/least-busy.js';
import { simpleShuffle } from '../selection/strategies/simple-shuffle.js';
import { Fact, FACTS, factIndex, Question, QUESTION_LENGTH, type Members, type RouterEngine } from './engine.js';

const NOW = 1_700_000_000_000;
const MEMBERS = 200;

/**
 * Whether the engine selects the least busy of known deployments, and draws by weight: for boot and
 * health checks, in a state of its own.
 */
export function selfTest(engine: RouterEngine): boolean {
  const memory = engine.open(null, MEMBERS);
  const members: Members = {
    slots: Int32Array.from({ length: MEMBERS }, (_, slot) => slot),
    facts: new Float64Array(MEMBERS * FACTS).fill(Infinity),
  };
  for (let slot = 0; slot < MEMBERS; slot++) {
    memory.inFlight[slot] = 2 + ((slot * 7) % MEMBERS);
    members.facts[factIndex(members, Fact.weight, slot)] = slot === 5 ? 1 : 0;
  }
  // The two least busy are in cooldown.
  memory.inFlight[77] = 0;
  memory.inFlight[78] = 1;
  memory.coolingUntil[77] = NOW + 5_000;
  memory.coolingUntil[78] = NOW + 7_000;
  const answersOf = ({ number }: { readonly number: number }): readonly number[] => {
    const question = new Float64Array(QUESTION_LENGTH);
    question[Question.nowMs] = NOW;
    question[Question.limited] = 1;
    question[Question.strategy] = number;
    const position = engine.scan(memory, members, new Uint8Array(), question);
    return [position, question[Question.count]];
  };
  const [least, drawn] = [answersOf(leastBusy), answersOf(simpleShuffle)];
  return least[0] === 0 && drawn[0] === 5 && least[1] === MEMBERS - 2 && drawn[1] === MEMBERS - 2;
}
