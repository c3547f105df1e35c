import { dirname } from 'node:path/posix';
import { stronglyConnected } from './architecture.rules.js';
import type { Sources } from './architecture.rules.js';

/** A module of a crate: its file, its path in the crate, and what it uses of others, each as a path from the crate on. */
interface RustModule {
  readonly file: string;
  readonly uses: readonly string[][];
  /** What it passes on under its own name: `pub use`. */
  readonly passedOn: ReadonlyMap<string, string[]>;
}

/** Groups of Rust files whose modules use each other in a circle, tests aside. */
export function rustCircles(sources: Sources): string[][] {
  const modules = new Map<string, RustModule>();
  for (const [file, text] of sources) {
    const crate = /^native\/[^/]+\/src\//.exec(file)?.[0];
    if (crate === undefined || !file.endsWith('.rs') || /(^|[/_])tests\.rs$/.test(file)) continue;
    const path = modulePath(file.slice(crate.length));
    modules.set(keyOf(crate, path), { file, ...usesOf(path, withoutTests(text)) });
  }
  const graph = new Map<string, string[]>();
  for (const [key, { file, uses }] of modules) {
    const crate = key.slice(0, key.indexOf(' '));
    const targets = uses.map((use) => fileOf(modules, crate, use)).filter((target) => target !== undefined && target !== file);
    graph.set(file, [...new Set(targets)] as string[]);
  }
  return stronglyConnected(graph).filter((group) => group.length > 1);
}

const keyOf = (crate: string, path: readonly string[]): string => `${crate} ${path.join('::')}`;

/** `a/mod.rs` and `a.rs` are the module `a`; `lib.rs` is the crate. */
function modulePath(file: string): string[] {
  const path = file.endsWith('/mod.rs') ? dirname(file) : file.replace(/\.rs$/, '');
  return path === 'lib' ? [] : path.split('/');
}

/** Without comments and without modules of tests. */
function withoutTests(text: string): string {
  const code = text.replace(/\/\/.*$/gm, '').replace(/#\[cfg\(test\)\]\s*use [^;]*;/g, '');
  const start = code.search(/#\[cfg\((all\()?test\b[^\]]*\]\s*mod \w+ \{/);
  return start < 0 ? code : code.slice(0, start);
}

function usesOf(path: readonly string[], code: string): Pick<RustModule, 'uses' | 'passedOn'> {
  const children = new Set([...code.matchAll(/\bmod (\w+);/g)].map(([, name]) => name));
  const uses: string[][] = [];
  const passedOn = new Map<string, string[]>();
  const absolute = (segments: readonly string[]): string[] | undefined => {
    const [first, ...rest] = segments;
    if (first === 'crate') return rest;
    if (first === 'self') return [...path, ...rest];
    if (first !== 'super') return children.has(first) ? [...path, ...segments] : undefined;
    const ups = segments.findIndex((segment) => segment !== 'super');
    const up = ups < 0 ? segments.length : ups;
    return [...path.slice(0, path.length - up), ...segments.slice(up)];
  };
  const statements = /(\bpub(?:\([^)]*\))? )?\buse ([^;]+);/g;
  for (const [, isPublic, tree] of code.matchAll(statements)) {
    for (const segments of leavesOf(tree.replace(/\s+/g, ' '))) {
      const use = absolute(segments);
      if (use === undefined) continue;
      if (isPublic) passedOn.set(segments[segments.length - 1], use);
      else uses.push(use);
    }
  }
  for (const [segments] of code.replace(statements, '').matchAll(/\b(?<!::)\w+(?:::\w+)+/g)) {
    const use = absolute(segments.split('::'));
    if (use !== undefined) uses.push(use);
  }
  return { uses, passedOn };
}

/** `a::{b, c::{self, d}}` -> `a::b`, `a::c`, `a::c::d`; names after `as` are left out. */
function leavesOf(tree: string): string[][] {
  const open = tree.indexOf('{');
  if (open < 0)
    return [
      tree
        .replace(/ as .*/, '')
        .trim()
        .split('::'),
    ];
  const before = tree
    .slice(0, open)
    .split('::')
    .map((segment) => segment.trim())
    .filter((segment) => segment !== '');
  const inside = tree.slice(open + 1, tree.lastIndexOf('}'));
  const parts: string[] = [''];
  let depth = 0;
  for (const char of inside) {
    if (char === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += char;
    depth += char === '{' ? 1 : char === '}' ? -1 : 0;
  }
  return parts
    .filter((part) => part.trim() !== '')
    .flatMap(leavesOf)
    .map((leaf) => [...before, ...(leaf[0] === 'self' ? leaf.slice(1) : leaf)]);
}

/** The file that has what a path names: the deepest module on it, or where that module has it from. */
function fileOf(modules: ReadonlyMap<string, RustModule>, crate: string, path: readonly string[], depth = 0): string | undefined {
  for (let length = path.length; length >= 0; length--) {
    const found = modules.get(keyOf(crate, path.slice(0, length)));
    if (found === undefined) continue;
    const from = length < path.length ? found.passedOn.get(path[length]) : undefined;
    return from === undefined || depth > path.length + 8
      ? found.file
      : fileOf(modules, crate, [...from, ...path.slice(length + 1)], depth + 1);
  }
  return undefined;
}
