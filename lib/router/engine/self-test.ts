import { Fact, FACTS, Question, QUESTION_LENGTH, type Members, type RouterEngine } from './engine.js';
import { Order } from '../selection/strategies/strategies.js';

const NOW = 1_700_000_000_000;
const MEMBERS = 200;
const NOBODY = new Uint8Array();

/** Whether the engine finds the least busy of known deployments, ranks them, and draws by weight: for boot and health checks, in a state of its own. */
export function selfTest(engine: RouterEngine): boolean {
  const memory = engine.open(null, MEMBERS);
  const members: Members = {
    slots: Int32Array.from({ length: MEMBERS }, (_, slot) => slot),
    facts: new Float64Array(MEMBERS * FACTS).fill(Infinity),
  };
  for (let slot = 0; slot < MEMBERS; slot++) {
    memory.inFlight[slot] = 2 + ((slot * 7) % MEMBERS);
    members.facts[slot * FACTS + Fact.weight] = slot === 5 ? 1 : 0;
  }
  // The least busy two cool.
  memory.inFlight[77] = 0;
  memory.inFlight[78] = 1;
  memory.coolingUntil[77] = NOW + 5_000;
  memory.coolingUntil[78] = NOW + 7_000;
  const question = new Float64Array(QUESTION_LENGTH);
  question[Question.nowMs] = NOW;
  question[Question.order] = Order.inFlight;
  const [keys, ties, winners] = [new Float64Array(256).fill(Infinity), Int32Array.from({ length: 256 }, (_, i) => i), new Int32Array(512)];
  engine.rank(memory, members, question, keys, ties, winners);
  const ranked = winners[1] === 0 && question[Question.wakeAtMs] === NOW + 5_000 && question[Question.count] === MEMBERS - 2;
  const scanned = engine.scan(memory, members, NOBODY, question) === 0;
  question[Question.order] = Order.shuffle;
  const [chances, aliases] = [new Float64Array(MEMBERS), new Int32Array(2 * MEMBERS)];
  engine.lottery(memory, members, question, chances, aliases);
  const drawn = question[Question.count] === MEMBERS - 2 && aliases[1] === 5 && chances[0] === 0;
  return ranked && scanned && drawn && engine.scan(memory, members, NOBODY, question) === 5;
}
