// Fills one contender in a fresh process and prints the growth of its memory. Run with --expose-gc.
import { LIMIT, TOKENS } from './contenders.js';
import { freshKey } from './keys.js';
import { openByName } from './open.js';
import { openEngine, type EngineKind } from './ours.js';

const [what, name, count, maxKeys] = process.argv.slice(2);
const collect = globalThis.gc as () => void;

function resident(): number {
  collect();
  collect();
  return process.memoryUsage.rss();
}

async function fill(): Promise<number> {
  const { asynchronous, open } = openByName(name);
  const decide = open();
  // The code that all keys share is not theirs.
  for (let index = 0; index < 2_000; index++) await decide(`warm-up ${index}`);
  const before = resident();
  const keys = Number(count);
  for (let index = 0; index < keys; index++) {
    for (let times = index % 3; times >= 0; times--) {
      const decided = decide(freshKey(index));
      if (asynchronous) await decided;
    }
  }
  const grown = resident() - before;
  // A use after the measurement: otherwise the contender would be collected with its keys.
  await decide('the last');
  return grown / keys;
}

function churn(): object {
  const engine = openEngine(name as EngineKind);
  const space = engine.open(null, Number(maxKeys));
  const policy = engine.policy({ scope: 'bench', requestsPerMinute: LIMIT, tokensPerMinute: LIMIT });
  const tenth = Number(count) / 10;
  const megabytes = [];
  for (let index = 0; index < Number(count); index++) {
    engine.check(space, { policy, key: freshKey(index) }, { cost: 1, tokens: TOKENS, nowMs: 1.7e12 + index / 1000 });
    if ((index + 1) % tenth === 0) megabytes.push(resident() / 1e6);
  }
  return { engine: name, megabytes, keys: engine.stats(space).keys };
}

async function main(): Promise<void> {
  console.log(JSON.stringify(what === 'keys' ? await fill() : churn()));
  process.exit(0);
}

void main();
