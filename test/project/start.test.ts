import { dirname, join } from 'node:path/posix';
import * as ts from 'typescript';
import { readSources } from './sources.js';

/** Parts that an app loads when it first uses them: each would cost every other app at its start. */
const LOADED_LATER: readonly string[] = [
  'lib/acceleration/libraries/',
  'lib/connection-pool/pool/dispatcher.ts',
  'lib/dashboard/panels/',
  'lib/gateway/gateway.controllers.ts',
  'lib/gateway/in-process/',
  'lib/gateway/openapi/',
  'lib/queue/call-queue.ts',
  'lib/json-body/engine/typescript.ts',
  'lib/keys/api/key-api.controller.ts',
  'lib/keys/redis/key-connection.ts',
  'lib/apis/messages/messages.ts',
  'lib/calls/layers/compose.ts',
  'lib/providers/anthropic/',
  'lib/providers/endpoint/endpoint.ts',
  'lib/providers/endpoint/provider-table.environment.ts',
  'lib/rate-limit/engine/typescript.ts',
  'lib/rate-limit/redis/deciding-store.ts',
  'lib/router/config/config-yaml.ts',
  'lib/router/redis/state-exchange.ts',
  'lib/telemetry/call-spans.ts',
  'lib/token-counter/engine/typescript.ts',
  'lib/token-counter/tokenizers/tokenizer-json.ts',
];

/** The modules that a file loads while it is loaded itself: no types, and no `require` in a function. */
function loadedBy(path: string, text: string): string[] {
  const found: string[] = [];
  for (const statement of ts.createSourceFile(path, text, ts.ScriptTarget.ES2022).statements) {
    if (ts.isImportDeclaration(statement) && !isOfTypes(statement)) found.push((statement.moduleSpecifier as ts.StringLiteral).text);
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined && !isOfTypes(statement))
      found.push((statement.moduleSpecifier as ts.StringLiteral).text);
  }
  return found.filter((name) => name.startsWith('.')).map((name) => join(dirname(path), name).replace(/\.js$/, '.ts'));
}

function isOfTypes(statement: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isImportDeclaration(statement)) {
    const clause = statement.importClause;
    if (clause === undefined) return false;
    const { namedBindings: names } = clause;
    return clause.phaseModifier === ts.SyntaxKind.TypeKeyword || (names !== undefined && ts.isNamedImports(names) && isEachType(names));
  }
  const { exportClause: names } = statement;
  return statement.isTypeOnly || (names !== undefined && ts.isNamedExports(names) && isEachType(names));
}

function isEachType({ elements }: ts.NamedImports | ts.NamedExports): boolean {
  return elements.every(({ isTypeOnly }) => isTypeOnly);
}

describe('the start of an app', () => {
  const sources = readSources(['lib'], /(?<!\.test)\.ts$/);

  function reachedFrom(start: string): Map<string, string> {
    const by = new Map([[start, '']]);
    for (const path of by.keys()) {
      for (const next of loadedBy(path, sources.get(path) ?? '')) if (!by.has(next)) by.set(next, path);
    }
    return by;
  }

  it('does not load what few apps need', () => {
    const reached = reachedFrom('lib/index.ts');
    const early = [...reached].filter(([path]) => LOADED_LATER.some((later) => path.startsWith(later)));
    expect(early.map(([path, by]) => `${by} loads ${path}`)).toEqual([]);
    expect(reached.has('lib/rate-limit/rate-limit.service.ts')).toBe(true);
  });

  it('lists only parts that exist', () => {
    const paths = [...sources.keys()];
    expect(LOADED_LATER.filter((later) => !paths.some((path) => path.startsWith(later)))).toEqual([]);
  });
});
