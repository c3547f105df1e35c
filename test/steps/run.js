'use strict';
/**
 * `npm run steps`: what one request of each kind runs, counted and not timed. Compares the figures with the committed table and fails if one has
 * grown by more than 3 %.
 *
 *   npm run steps                        all kinds
 *   npm run steps -- budget embeddings   kinds whose names contain one of these words
 *   npm run steps -- --write             all kinds, into docs/design/steps.md
 *   npm run steps -- --functions budget  every function with its calls
 */

const { existsSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { measure } = require('./measure.js');
const { growth, tableOf, writeTable } = require('./table.js');

const ROOT = join(__dirname, '..', '..');
const DOCUMENT = join(ROOT, 'docs', 'design', 'steps.md');
/** Node's own code and V8's counters differ between lines. */
const NODE_LINE = readFileSync(join(ROOT, '.nvmrc'), 'utf8').trim();

function unable() {
  if (!process.version.startsWith(`v${NODE_LINE}.`)) return `the table is for Node ${NODE_LINE}, this is ${process.version}`;
  if (!existsSync(join(ROOT, 'dist', 'lib', 'index.js'))) return 'dist/ is missing: run npm run build';
  if (!readdirSync(join(ROOT, 'native')).some((file) => file.endsWith('.node'))) return 'the native addon is missing: run npm run build';
  return undefined;
}

function functionLines({ name, detail }) {
  const lines = detail.flatMap(({ file, functions }) => functions.map(([id, count]) => [count, `${file} ${id}`]));
  return [`\n${name}`, ...lines.sort(([a], [b]) => b - a).map(([count, place]) => `${count.toFixed(1).padStart(8)}  ${place}`)];
}

async function main(args) {
  const reason = unable();
  if (reason !== undefined) {
    console.error(`steps: not counted (${reason})`);
    process.exitCode = process.env.CI ? 1 : 0;
    return;
  }
  const only = args.filter((arg) => !arg.startsWith('--'));
  const isDetailed = args.includes('--functions');
  const rows = await measure({ only, isDetailed, say: (line) => console.error(line) });
  console.log(tableOf(rows));
  if (isDetailed) return console.log(rows.flatMap(functionLines).join('\n'));
  const document = readFileSync(DOCUMENT, 'utf8');
  if (args.includes('--write')) return writeFileSync(DOCUMENT, writeTable(document, rows));
  const grown = growth(document, rows);
  for (const line of grown) console.error(line);
  if (grown.length > 0) {
    console.error('Make it lighter, or commit the new table with the reason: npm run steps -- --write');
    process.exitCode = 1;
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
