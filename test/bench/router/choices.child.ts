// Measures one row over one list in a fresh process: V8 optimizes for one engine and one strategy,
// as in an app, and not as it would learn from all of them in turn. Argument: the task as JSON.
import { choosers } from './choosers.js';
import { modelListOf } from './model-list.js';
import { measured, type ChoiceTask } from './rounds.js';

const { name, size, effort } = JSON.parse(process.argv[2]) as ChoiceTask;
const row = choosers(['native', 'typescript']).find((known) => known.name === name);
if (row === undefined) throw new Error(`no row ${name}`);
console.log(JSON.stringify(measured(row.make(modelListOf(size)), effort)));
// The clock's thread and the monitor's timer would keep it.
process.exit(0);
