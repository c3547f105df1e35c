import { dirname, join } from 'node:path/posix';
import ts from 'typescript';

/** Path from the project's root, with `/`, and text. */
export type Sources = ReadonlyMap<string, string>;

/**
 * Imports go to a lower floor only; folders of one floor do not import each other. `''`: `lib/`
 * itself.
 */
export const floors: Readonly<Record<string, number>> = {
  cli: 11,
  serve: 10.5,
  '': 10,
  admin: 9.5,
  gateway: 9,
  postgres: 9,
  dashboard: 9,
  directory: 8.5,
  guardrails: 8.5,
  'ai-sdk': 9,
  langchain: 9,
  testing: 9,
  acceleration: 8,
  health: 8,
  prometheus: 8,
  telemetry: 8,
  keys: 8,
  spend: 8,
  calls: 8,
  configuration: 7.5,
  callbacks: 8,
  apis: 7,
  providers: 6,
  http: 5,
  queue: 4,
  'json-body': 3,
  'token-counter': 3,
  'rate-limit': 3,
  'connection-pool': 3,
  router: 3,
  monitor: 3,
  engine: 2,
  'feature-flags': 1,
  common: 0,
};

/**
 * From this floor on, suites use the engine of the environment; below it, they name their engine.
 */
const FIRST_OF_APPS = 4;

/** Folders whose suites name both engines, so `FAST_LITELLM_ENGINE` has no effect on them. */
export const namedEngines: readonly string[] = Object.keys(floors).filter((folder) => floors[folder] < FIRST_OF_APPS);

/**
 * The only files of `lib/` that may import an optional package: an app without it does not load
 * them.
 */
const owners: readonly { readonly package: RegExp; readonly files: RegExp }[] = [
  { package: /^#native$/, files: /^lib\/engine\/native-binding\.ts$/ },
  { package: /^@nestjs\/terminus$/, files: /^lib\/health\// },
  { package: /^(prom-client|@willsoto\/nestjs-prometheus)$/, files: /^lib\/prometheus\// },
  { package: /^@opentelemetry\//, files: /^lib\/telemetry\// },
  { package: /^ioredis$/, files: /\/redis\// },
  { package: /^pg$/, files: /^lib\/postgres\// },
  { package: /^@nestjs\/platform-fastify$/, files: /^lib\/serve\// },
  { package: /^@nestjs\/swagger$/, files: /^lib\/gateway\/openapi\// },
  { package: /^@nestjs\/websockets$/, files: /^lib\/http\/guard\/rate-limit-exception\.ts$/ },
  { package: /^@langchain\//, files: /^lib\/langchain\// },
  { package: /^google-auth-library$/, files: /^lib\/providers\/vertex\// },
  { package: /^@smithy\//, files: /^lib\/(?:providers\/bedrock|testing)\// },
  { package: /^undici$/, files: /^lib\/connection-pool\// },
];

/** What tests import: `lib/testing.ts` and its folder. Nothing else of `lib/` sees it. */
const TESTING_KIT = /^lib\/testing(?:\.js|\/)/;

const emptyNames = new Set(['util', 'utils', 'helper', 'helpers', 'type', 'types', 'constant', 'constants']);
const isTest = (path: string): boolean => path.endsWith('.test.ts');

/**
 * All imported modules of a file: `import`, `export … from`, `import()` and `require()`, also of
 * types.
 */
export function importsOf(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
}

/** `lib/token-counter/x.ts` -> `token-counter`; `lib/x.ts` -> `''`. */
function folderOf(path: string): string {
  const [, folder, file] = path.split('/');
  return file === undefined ? '' : folder;
}

function layout(path: string, text: string): string[] {
  const found: string[] = [];
  const names = path.split('/').flatMap((part) => part.split('.'));
  if (names.some((name) => emptyNames.has(name))) found.push(`${path}: a name that says nothing`);
  if (path.endsWith('/index.ts') && path !== 'lib/index.ts') found.push(`${path}: index.ts belongs at the root of lib/ only`);
  if (/^native\/core\//.test(path) && /\bnapi\b/.test(text)) found.push(`${path}: core knows nothing of napi`);
  return found;
}

function libraryImport(path: string, specifier: string): string | undefined {
  const owner = owners.find((rule) => rule.package.test(specifier));
  if (owner && !owner.files.test(path)) return `only ${owner.files.source} may import it`;
  if (specifier === 'nestjs-fast-litellm') return 'the package imports itself';
  if (!specifier.startsWith('.')) return undefined;
  if (!specifier.endsWith('.js') && !specifier.endsWith('.json')) return 'a relative import ends in .js';
  const target = join(dirname(path), specifier);
  if (!target.startsWith('lib/')) return 'it leaves lib/';
  if (TESTING_KIT.test(target) && path !== 'lib/testing.ts' && folderOf(path) !== 'testing') return 'the testing kit is for tests';
  const [from, to] = [folderOf(path), folderOf(target)];
  if (from === to) return undefined;
  return floors[to] < floors[from]
    ? undefined
    : `${from || 'lib'} (floor ${floors[from]}) does not see ${to || 'lib'} (floor ${floors[to]})`;
}

function sampleImport(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return join(dirname(path), specifier).startsWith('sample-app/') ? undefined : 'the sample app knows the package by its name only';
}

/** Places at which a suite takes its engine from the environment. */
function unnamedEngines(path: string, text: string): string[] {
  const found = importsOf(text).filter((name) => /^nestjs-fast-litellm|\.\.\/(standalone|index)\.js$/.test(name));
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) && node.expression.getText() === 'FastLiteLLM') {
      const [options] = node.arguments ?? [];
      const isNamed = options !== undefined && ts.isObjectLiteralExpression(options) && options.properties.some(isEngine);
      if (!isNamed) found.push(node.getText());
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true));
  return found.map((what) => `${path}: ${what}: a suite below floor ${FIRST_OF_APPS} names its engine`);
}

const isEngine = ({ name }: ts.ObjectLiteralElementLike): boolean => name?.getText() === 'engine';

/**
 * All violations of the layout: `path: what` or `path -> import: why`. Tests of `lib/` import
 * anything.
 */
export function violations(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    found.push(...layout(path, text));
    if (isTest(path) && path.startsWith('lib/') && namedEngines.includes(folderOf(path))) found.push(...unnamedEngines(path, text));
    if (!path.endsWith('.ts') || isTest(path)) continue;
    const check = path.startsWith('lib/') ? libraryImport : path.startsWith('sample-app/') ? sampleImport : undefined;
    if (check === libraryImport && floors[folderOf(path)] === undefined) {
      found.push(`${path}: a folder without a floor`);
      continue;
    }
    for (const specifier of check ? importsOf(text) : []) {
      const why = check?.(path, specifier);
      if (why) found.push(`${path} -> ${specifier}: ${why}`);
    }
  }
  return found;
}

/** Groups of files in an import cycle, types included; each group sorted. */
export function circles(sources: Sources): string[][] {
  const graph = new Map<string, string[]>();
  for (const [path, text] of sources) {
    if (!path.startsWith('lib/') || !path.endsWith('.ts') || isTest(path)) continue;
    const targets = importsOf(text).flatMap((specifier) =>
      specifier.startsWith('.') ? [join(dirname(path), specifier).replace(/\.js$/, '.ts')] : [],
    );
    graph.set(path, targets);
  }
  return stronglyConnected(graph).filter((group) => group.length > 1 || graph.get(group[0])?.includes(group[0]));
}

/** Tarjan's algorithm. */
export function stronglyConnected(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const visit = (node: string): void => {
    const own = index.size;
    index.set(node, own);
    lowest.set(node, own);
    stack.push(node);
    onStack.add(node);
    for (const next of graph.get(node) ?? []) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) visit(next);
      else if (!onStack.has(next)) continue;
      lowest.set(node, Math.min(lowest.get(node) as number, lowest.get(next) as number));
    }
    if (lowest.get(node) !== own) return;
    const group = stack.splice(stack.indexOf(node));
    group.forEach((member) => onStack.delete(member));
    found.push(group.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}

const MAX_COMMENT_COLUMNS = 100;
const PRODUCT = /^(lib|sample-app|scripts)\/|^native\/(core|binding)\/src\//;
/** Words that the glossary of the project replaces, in comments and strings of the product. */
const FORBIDDEN_WORDS = /\b(twins?|under way|let pass|left alone|known questions?|whoever|nobody|somebody)\b/i;
const COMMENT = /^\s*(\/\/|\/\*|\* )/;
const RUST_COMMENT = /^\s*\/\//;
/** Comments for a tool, which must stay on one line. */
const DIRECTIVE = /\b(eslint-|@ts-)/;

/**
 * Comments of more than 100 columns, and words that the glossary replaces, as `path:line: what`. An
 * `@example` may be wider.
 */
export function comments(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    let isExample = false;
    text.split('\n').forEach((line, at) => {
      const report = (what: string): void => void found.push(`${path}:${at + 1}: ${what}`);
      const isComment = (path.endsWith('.rs') ? RUST_COMMENT : COMMENT).test(line);
      isExample = isComment && (isExample || line.includes('@example'));
      if (isComment && !isExample && !DIRECTIVE.test(line) && line.length > MAX_COMMENT_COLUMNS) report(`${line.length} columns`);
      const [word] = (PRODUCT.test(path) && FORBIDDEN_WORDS.exec(line)) || [];
      if (word !== undefined) report(`"${word}"`);
    });
  }
  return found;
}
