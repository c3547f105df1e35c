import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import type { Option } from '../../lib/common/option.js';
import { anchors } from './readme-document.js';
import { root } from './sources.js';

/** One option in a table of the docs; `<name>`: the entries of a dictionary. */
export interface OptionRow {
  readonly path: string;
  readonly type: string;
  readonly fallback: string;
  readonly meaning: string;
}

const DEFAULT = /(?:^|\s)Default(?:, |: | )(.*?)(?:\.(?=\s|$)|$)/s;
/** Types whose default is what an app would pass. */
const SIMPLE = /^(?:(?:positive )?integer|number|(?:boolean|string)$|`')/;
const MARKED_DEFAULT = /(`[^`]+`) \(default\)/;

/**
 * Describes the options of interfaces of lib/: names, types and comments from the sources, defaults
 * and checks from the declarations.
 */
export class OptionTables {
  private readonly checker: ts.TypeChecker;

  /** @param whole interfaces that are not expanded, because they have a table of their own */
  constructor(
    private readonly program: ts.Program,
    private readonly whole: ReadonlySet<string>,
  ) {
    this.checker = program.getTypeChecker();
  }

  /** The rows of an interface. @throws if a comment and a declaration disagree about a default. */
  rows(name: string): OptionRow[] {
    return this.rowsOf(this.checker.getTypeAtLocation(this.interfaceOf(name)), '');
  }

  /** Whether the interface is declared once, so that its table is written from the declaration. */
  isDeclared(name: string): boolean {
    return this.interfaceOf(name).heritageClauses?.some((clause) => clause.getText().includes('OptionsOf<')) === true;
  }

  /** The exported interfaces whose names match `pattern`. */
  exportedInterfaces(pattern: RegExp): string[] {
    const index = this.program.getSourceFile(join(root, 'lib/index.ts')) as ts.SourceFile;
    const module = this.checker.getSymbolAtLocation(index) as ts.Symbol;
    return this.checker
      .getExportsOfModule(module)
      .map(({ name }) => name)
      .filter((name) => pattern.test(name));
  }

  private interfaceOf(name: string): ts.InterfaceDeclaration {
    const statements = this.program.getSourceFiles().flatMap((file) => (isOfLibrary(file) ? [...file.statements] : []));
    const found = statements.find((statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name);
    if (found === undefined) throw new Error(`lib/ has no interface ${name}`);
    return found as ts.InterfaceDeclaration;
  }

  private rowsOf(type: ts.Type, prefix: string): OptionRow[] {
    return type.getProperties().flatMap((property) => {
      const path = `${prefix}${property.name}`;
      return [this.rowOf(property, path), ...this.below(this.checker.getTypeOfSymbol(property), path)];
    });
  }

  private rowOf(property: ts.Symbol, path: string): OptionRow {
    const text = ts.displayPartsToString(property.getDocumentationComment(this.checker)).replace(/\s+/g, ' ');
    const option = declaredOption(property);
    const [sentence = '', written] = DEFAULT.exec(text) ?? [];
    const stated = written ?? MARKED_DEFAULT.exec(text)?.[1];
    if (option !== undefined) checkDefault(path, option, stated);
    const type = option?.type.replace(/\d{4,}/g, (digits) => Number(digits).toLocaleString('en')) ?? this.typeOf(property);
    const isOptional = option === undefined ? (property.flags & ts.SymbolFlags.Optional) !== 0 : option.isRequired !== true;
    return {
      path,
      type,
      fallback: isOptional ? (stated ?? (type === 'object' ? '`{}`' : 'none')).replace(/^(?:true|false)\b/, '`$&`') : 'required',
      meaning: withoutPeriod([text.replace(sentence, ''), ...linksOf(property, this.checker)].filter((part) => part !== '').join(' ')),
    };
  }

  private typeOf(property: ts.Symbol): string {
    const type = this.checker.getNonNullableType(this.checker.getTypeOfSymbol(property));
    return /^\w+$/.test(this.checker.typeToString(type)) && !type.symbol ? this.checker.typeToString(type) : 'object';
  }

  private below(type: ts.Type, path: string): OptionRow[] {
    const parts = type.isUnion() ? type.types : [type];
    const rows = parts.flatMap((part) => this.belowPart(part, path));
    return rows.filter((row, at) => rows.findIndex((other) => other.path === row.path) === at);
  }

  private belowPart(type: ts.Type, path: string): OptionRow[] {
    if (!(type.flags & ts.TypeFlags.Object) || this.checker.isArrayLikeType(type) || type.getCallSignatures().length > 0) return [];
    if (this.whole.has(type.symbol.name)) return [];
    const entry = type.getStringIndexType() ?? this.entryOfMapped(type);
    const name = `${path}.<name>`;
    // An entry without a type of its own, `unknown`, is free in shape.
    if (entry !== undefined)
      return entry.flags & ts.TypeFlags.Unknown ? [] : [{ path: name, type: '', fallback: '', meaning: '' }, ...this.below(entry, name)];
    return this.isOptions(type) ? this.rowsOf(type, `${path}.`) : [];
  }

  /** `Partial<Record<FeatureName, …>>`: all its entries are of one type. */
  private entryOfMapped(type: ts.Type): ts.Type | undefined {
    const isMapped = ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Mapped) !== 0;
    const [first] = isMapped ? type.getProperties() : [];
    return first && this.checker.getTypeOfSymbol(first);
  }

  /** An interface of this package with data only: what has methods is an object, not options. */
  private isOptions(type: ts.Type): boolean {
    const file = type.symbol.declarations?.[0]?.getSourceFile();
    if (file === undefined || !isOfLibrary(file)) return false;
    return type.getProperties().every((property) => this.checker.getTypeOfSymbol(property).getCallSignatures().length === 0);
  }
}

/** Writes the tables after `<!-- options:X -->` whose options are declared. */
export function withOptionTables(markdown: string, tables: OptionTables): string {
  return markdown.replace(
    /^(<!-- options:(\w+) -->\n\n)\| ([^|\n]*?) +\|[^\n]*\n(?:\|[^\n]*\n)+/gm,
    (table, marker: string, name: string, first: string) => {
      if (!tables.isDeclared(name)) return table;
      const rows = tables
        .rows(name)
        .filter(({ meaning }) => meaning !== '')
        .map(({ path, type, fallback, meaning }) => [`\`${path}\``, type, fallback, meaning]);
      return marker + tableOf([[first, 'type', 'default', 'meaning'], ...rows]);
    },
  );
}

/** As Prettier writes it: the cells of a column have one width. */
function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[], fill: string): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column], fill)).join(' | ')} |\n`;
  const [head, ...others] = rows;
  return [
    line(head, ' '),
    line(
      head.map(() => ''),
      '-',
    ),
    ...others.map((row) => line(row, ' ')),
  ].join('');
}

/** The declaration that a field of an interface comes from, as the program itself has it. */
function declaredOption({ name, declarations: [declaration] = [] }: ts.Symbol): Option | undefined {
  if (declaration === undefined || !ts.isPropertyAssignment(declaration)) return undefined;
  const variable = declaration.parent.parent;
  if (!ts.isVariableDeclaration(variable)) return undefined;
  const file = variable.getSourceFile().fileName;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the file that the compiler names
  const option = (require(file) as Record<string, Record<string, Option> | undefined>)[variable.name.getText()]?.[name];
  if (option === undefined) throw new Error(`${file}: ${variable.name.getText()} must be exported`);
  return option;
}

/** The comment has to state the default that the code uses. */
function checkDefault(path: string, { type, default: declared }: Option, stated: string | undefined): void {
  if (!['string', 'number', 'boolean'].includes(typeof declared) || declared === Infinity || !SIMPLE.test(type)) return;
  const [, text = '', unit] = /^`?([^`:, ]+(?:,\d{3})*)`?(?: (Mi)B?)?/.exec(stated ?? '') ?? [];
  const number = Number(text.replaceAll(',', '')) * (unit === undefined ? 1 : 1024 ** 2);
  const isSame =
    typeof declared === 'number' ? number === declared : text === String(declared) || stated?.includes(`\`${String(declared)}\``);
  if (!isSame) throw new Error(`${path}: the default is ${String(declared)}, the comment says ${stated ?? 'nothing'}`);
}

/** `@see docs/hooks.md#options` as a link. */
function linksOf(property: ts.Symbol, checker: ts.TypeChecker): string[] {
  const tags = property.getJsDocTags(checker).filter(({ name }) => name === 'see');
  return tags.map(({ text }) => {
    // The compiler treats `docs` as a name and adds a space.
    const target = ts
      .displayPartsToString(text)
      .trim()
      .replace(/^docs ?\//, '');
    return `See [${titleOf(target)}](${target}).`;
  });
}

/** The heading that a link leads to: `router.md#options`, or the first one of the page. */
function titleOf(target: string): string {
  const [file, anchor] = target.split('#');
  const headings = readFileSync(join(root, 'docs', file), 'utf8').match(/^#+ .*$/gm) ?? [];
  const heading = headings.find((line) => anchor === undefined || anchors(line).has(anchor));
  if (heading === undefined) throw new Error(`docs/${target}: no such heading`);
  return heading.replace(/^#+ /, '');
}

function withoutPeriod(text: string): string {
  return text.trim().replace(/\.$/, '').replaceAll('|', '\\|');
}

function isOfLibrary({ fileName }: ts.SourceFile): boolean {
  return fileName.startsWith(join(root, 'lib'));
}
