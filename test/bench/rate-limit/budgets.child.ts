// Measures a reservation with a budget beside one without, in a fresh process. Argument: the task
// as JSON.
import { budgetRow, type BudgetTask } from './budgets.js';

async function main(): Promise<void> {
  console.log(JSON.stringify(await budgetRow(JSON.parse(process.argv[2]) as BudgetTask)));
  process.exit(0);
}

void main();
