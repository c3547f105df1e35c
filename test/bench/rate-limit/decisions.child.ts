// Measures one row in a fresh process, because V8 optimizes for one row. Argument: the task as
// JSON.
import { decisionRow, handleRow, type DecisionTask } from './decisions.js';
import { openByName } from './open.js';

const { count, freshness, names, effort } = JSON.parse(process.argv[2]) as DecisionTask;

async function main(): Promise<void> {
  const row = freshness === 'handle' ? await handleRow(names, effort) : await decisionRow(count, freshness, names.map(openByName), effort);
  console.log(JSON.stringify(row));
  // Some peers leave timers of a minute behind.
  process.exit(0);
}

void main();
