import { dirname, join } from 'node:path/posix';
import * as ts from 'typescript';

/**
 * The sources that a file loads while it is loaded itself: no types, and no `require` in a
 * function.
 */
export function loadedBy(path: string, text: string): string[] {
  const found: string[] = [];
  for (const statement of ts.createSourceFile(path, text, ts.ScriptTarget.ES2022).statements) {
    if (ts.isImportDeclaration(statement) && !isOfTypes(statement)) found.push((statement.moduleSpecifier as ts.StringLiteral).text);
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined && !isOfTypes(statement))
      found.push((statement.moduleSpecifier as ts.StringLiteral).text);
  }
  return found.filter((name) => name.startsWith('.')).map((name) => join(dirname(path), name).replace(/\.js$/, '.ts'));
}

/** All sources that are loaded with `start`, each with the one that first loads it. */
export function reachedFrom(start: string, sources: ReadonlyMap<string, string>): Map<string, string> {
  const by = new Map([[start, '']]);
  for (const path of by.keys()) {
    for (const next of loadedBy(path, sources.get(path) ?? '')) if (!by.has(next)) by.set(next, path);
  }
  return by;
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
