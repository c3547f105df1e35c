// Measures budgets that processes share, over Redis and in PostgreSQL, in a fresh process.
// Argument: the task as JSON.
import { sharedBudgetRows, type SharedBudgetTask } from './shared-budgets.js';

async function main(): Promise<void> {
  console.log(JSON.stringify(await sharedBudgetRows(JSON.parse(process.argv[2]) as SharedBudgetTask)));
  process.exit(0);
}

void main();
