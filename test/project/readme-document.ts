import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sources.js';

/** A Markdown file of the package's documentation. */
export interface Document {
  /** From the root: `docs/router.md`. */
  readonly path: string;
  readonly text: string;
}

/** A fenced block of a Markdown document. */
export interface CodeBlock {
  /** The document that it stands in. */
  readonly path: string;
  /** Where its fence stands, from 1. */
  readonly line: number;
  /** What follows the fence: `ts`, `ts run`, `json`. */
  readonly info: string;
  readonly text: string;
}

/** The Markdown files directly in a folder, as documents. */
function documentsIn(folder: string): Document[] {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.md'));
  const paths = names.map((name) => (folder === '.' ? name : `${folder}/${name}`));
  return paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

const atRoot = documentsIn('.');

/** What users read: the README and the pages in docs/. */
export const documents: readonly Document[] = [...atRoot.filter(({ path }) => path === 'README.md'), ...documentsIn('docs')];

/** The folders of the examples, each a package of its own. */
export const exampleFolders: readonly string[] = readdirSync(join(root, 'docs/examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => `docs/examples/${name}`);

/** What contributors read as well: CONTRIBUTING, the changelog, the design notes, the examples. */
export const allDocuments: readonly Document[] = [
  ...atRoot,
  ...['docs', 'docs/design', 'docs/examples', ...exampleFolders].flatMap(documentsIn),
];

/** All of them as one text, for what may stand on any page. */
export const documentation = documents.map(({ text }) => text).join('\n');

/** The blocks of a document, in their order. */
export function codeBlocks({ path, text: markdown }: Document): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  for (const { 1: info, 2: text, index } of markdown.matchAll(/^```([^\n]*)\n(.*?)^```$/gms))
    blocks.push({ path, line: markdown.slice(0, index).split('\n').length, info, text });
  return blocks;
}

/**
 * The rows of the table after `marker`, as cells, without its head. @throws if there is no table.
 */
export function tableAfter(markdown: string, marker: string): string[][] {
  const start = markdown.indexOf(marker);
  const lines = start < 0 ? [] : markdown.slice(start + marker.length).split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  if (first < 0) throw new Error(`no table after ${marker}`);
  const end = lines.findIndex((line, at) => at > first && !line.startsWith('|'));
  return lines.slice(first + 2, end < 0 ? undefined : end).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

/** Everything in a cell that is written as code. */
export function codeIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}

/** The anchors of the document's headings, as GitHub makes them. */
export function anchors(markdown: string): Set<string> {
  const prose = markdown.replace(/^```.*?^```$/gms, '');
  const titles = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, title]) => title);
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}
