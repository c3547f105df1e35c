import { existsSync, readdirSync, readFileSync } from 'node:fs';
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

const folder = join(root, 'docs');
const pages = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.md')) : [];

/** The README and the pages that it links to. */
export const documents: readonly Document[] = ['README.md', ...pages.map((name) => `docs/${name}`)].map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));

/** All of them as one text, for what may stand on any page. */
export const documentation = documents.map(({ text }) => text).join('\n');

/** The blocks of a document, in their order. */
export function codeBlocks({ path, text: markdown }: Document): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  for (const { 1: info, 2: text, index } of markdown.matchAll(/^```([^\n]*)\n(.*?)^```$/gms))
    blocks.push({ path, line: markdown.slice(0, index).split('\n').length, info, text });
  return blocks;
}

/** The table that follows `marker`: its rows, without head and rule, as cells. @throws if there is none. */
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
