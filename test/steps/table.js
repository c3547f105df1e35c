'use strict';
// The committed table: written by `npm run steps -- --write`, read back to compare.

const COLUMNS = [
  ['calls', (row) => row.lib.calls],
  ['functions', (row) => row.lib.functions],
  ['files', (row) => row.lib.files],
  ['source bytes', (row) => row.lib.bytes],
  ['sample: calls', (row) => row.sample.calls],
  ['packages: calls', (row) => row.packages.calls],
  ['functions', (row) => row.packages.functions],
  ['source bytes', (row) => row.packages.bytes],
  ['allocated bytes', (row) => row.allocatedBytes],
];
const ALLOCATED = COLUMNS.length - 1;
const LARGEST_GROWTH = 0.03;
/** Timers of Node's own make a call or two of difference. */
const SLACK = [3, 2, 1, 500, 3, 16, 4, 500, 2500];
const BEGIN = '<!-- steps: begin -->';
const END = '<!-- steps: end -->';

const figuresOf = (row) => COLUMNS.map(([, figure]) => figure(row));

function tableOf(rows) {
  const cells = [
    ['request', ...COLUMNS.map(([title]) => title)],
    ...rows.map((row) => [row.name, ...figuresOf(row).map((figure) => figure.toLocaleString('en-US'))]),
  ];
  const widths = cells[0].map((_, column) => Math.max(3, ...cells.map((line) => line[column].length)));
  const line = (texts) =>
    `| ${texts.map((text, column) => (column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

/** Figures by the name of the request. */
function readTable(document) {
  const lines = split(document)[1]
    .split('\n')
    .filter((line) => line.startsWith('|'));
  return new Map(
    lines.slice(2).map((line) => {
      const [name, ...figures] = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      return [name, figures.map((figure) => Number(figure.replaceAll(',', '')))];
    }),
  );
}

function writeTable(document, rows) {
  const [before, , after] = split(document);
  return `${before}\n\n${tableOf(rows)}\n\n${after}`;
}

/** The text up to the first mark, between the marks, and from the second mark on. */
function split(document) {
  const [from, to] = [document.indexOf(BEGIN) + BEGIN.length, document.indexOf(END)];
  if (from < BEGIN.length || to < from) throw new Error(`the document must have ${BEGIN} and ${END}`);
  return [document.slice(0, from), document.slice(from, to), document.slice(to)];
}

/** A line for each figure that has grown by more than 3 %, and for each request without a row. */
function growth(document, rows) {
  const committed = readTable(document);
  return rows.flatMap((row) => {
    const before = committed.get(row.name);
    if (before === undefined) return [`${row.name}: not in the committed table`];
    return figuresOf(row).flatMap((figure, column) => {
      const share = column === ALLOCATED ? (row.allocationNoise ?? LARGEST_GROWTH) : LARGEST_GROWTH;
      const limit = before[column] + Math.max(Math.abs(before[column]) * share, SLACK[column]);
      return figure > limit
        ? [`${row.name}: ${COLUMNS[column][0]} grew from ${before[column]} to ${figure} (limit ${Math.floor(limit)})`]
        : [];
    });
  });
}

module.exports = { growth, readTable, tableOf, writeTable };
