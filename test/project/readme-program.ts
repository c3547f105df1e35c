import { join } from 'node:path';
import ts from 'typescript';
import { codeBlocks, documents, type CodeBlock } from './readme-document.js';
import { root } from './sources.js';

/** The `ts` blocks of the documents, each as a module beside the tests, and the library. */
export class ReadmeProgram {
  readonly blocks: readonly CodeBlock[] = documents.flatMap(codeBlocks).filter(({ info }) => /^ts\b/.test(info));

  private readonly options: ts.CompilerOptions;
  private compiled: ts.Program | undefined;

  constructor() {
    const config = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic });
    // An example may declare what it does not use.
    this.options = { ...config?.options, noUnusedLocals: false, noUnusedParameters: false };
  }

  /** Made for the first question about types: this takes seconds. */
  private get program(): ts.Program {
    return (this.compiled ??= this.compile());
  }

  private get checker(): ts.TypeChecker {
    return this.program.getTypeChecker();
  }

  private compile(): ts.Program {
    const texts = new Map(this.blocks.map((block) => [fileOf(block), block.text]));
    const host = ts.createCompilerHost(this.options);
    const real = { ...host };
    host.fileExists = (file) => texts.has(file) || real.fileExists(file);
    host.readFile = (file) => texts.get(file) ?? real.readFile(file);
    host.getSourceFile = (file, language, ...rest) => {
      const text = texts.get(file);
      return text === undefined ? real.getSourceFile(file, language, ...rest) : ts.createSourceFile(file, text, language);
    };
    return ts.createProgram({ rootNames: [...texts.keys(), join(root, 'lib/index.ts')], options: this.options, host });
  }

  /** Compiler errors of a block, with line numbers of its document. */
  complaints(block: CodeBlock): string[] {
    const source = this.program.getSourceFile(fileOf(block));
    return ts.getPreEmitDiagnostics(this.program, source).map(({ messageText, start = 0 }) => {
      const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + block.line + 1;
      return `${block.path}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  }

  /**
   * A block as the body of an async function. `x; // => value` becomes `expectValue(x, value,
   * line)`.
   */
  executable({ text, line }: CodeBlock): string {
    const source = ts.createSourceFile('block.ts', text, ts.ScriptTarget.ES2022, true);
    let checked = text;
    for (const statement of [...source.statements].reverse()) {
      const value = /^ *\/\/ => (.+)/.exec(text.slice(statement.end))?.[1];
      if (value === undefined || !ts.isExpressionStatement(statement)) continue;
      const at = line + source.getLineAndCharacterOfPosition(statement.end).line + 1;
      const call = `expectValue(${statement.expression.getText()}, (${value}), ${at});`;
      checked = `${checked.slice(0, statement.getStart())}${call}${checked.slice(statement.end)}`;
    }
    // As a script that cannot have a top-level await: the caller wraps it in a function that can.
    const { outputText } = ts.transpileModule(checked, { compilerOptions: { ...this.options, module: ts.ModuleKind.CommonJS } });
    return outputText;
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

  /**
   * All options of an interface of lib/ with their members, by path; entries of a dictionary as
   * `<name>`. Interfaces in `whole` are not expanded, because they have a table of their own.
   */
  optionPaths(name: string, whole: ReadonlySet<string>): string[] {
    return this.paths(this.checker.getTypeAtLocation(this.interfaceOf(name)), '', whole);
  }

  private interfaceOf(name: string): ts.InterfaceDeclaration {
    const statements = this.program.getSourceFiles().flatMap((file) => (isOfLibrary(file) ? [...file.statements] : []));
    const found = statements.find((statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name);
    if (found === undefined) throw new Error(`lib/ has no interface ${name}`);
    return found as ts.InterfaceDeclaration;
  }

  private paths(type: ts.Type, prefix: string, whole: ReadonlySet<string>): string[] {
    return type.getProperties().flatMap((property) => {
      const path = `${prefix}${property.name}`;
      return [path, ...this.below(this.checker.getTypeOfSymbol(property), path, whole)];
    });
  }

  private below(type: ts.Type, path: string, whole: ReadonlySet<string>): string[] {
    const parts = type.isUnion() ? type.types : [type];
    return [...new Set(parts.flatMap((part) => this.belowPart(part, path, whole)))];
  }

  private belowPart(type: ts.Type, path: string, whole: ReadonlySet<string>): string[] {
    if (!(type.flags & ts.TypeFlags.Object) || this.checker.isArrayLikeType(type) || type.getCallSignatures().length > 0) return [];
    if (whole.has(type.symbol.name)) return [];
    const entry = type.getStringIndexType() ?? this.entryOfMapped(type);
    // An entry without a type of its own, `unknown`, is free in shape.
    if (entry !== undefined)
      return entry.flags & ts.TypeFlags.Unknown ? [] : [`${path}.<name>`, ...this.below(entry, `${path}.<name>`, whole)];
    return this.isOptions(type) ? this.paths(type, `${path}.`, whole) : [];
  }

  /** `Partial<Record<FeatureName, …>>`: all its entries are of one type. */
  private entryOfMapped(type: ts.Type): ts.Type | undefined {
    const isMapped = ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Mapped) !== 0;
    const [first] = isMapped ? type.getProperties() : [];
    return first && this.checker.getTypeOfSymbol(first);
  }

  /** An interface of this package with data only: what has methods is a thing, not options. */
  private isOptions(type: ts.Type): boolean {
    const file = type.symbol.declarations?.[0]?.getSourceFile();
    if (file === undefined || !isOfLibrary(file)) return false;
    return type.getProperties().every((property) => this.checker.getTypeOfSymbol(property).getCallSignatures().length === 0);
  }
}

/** A block that is run may await at its top level, as only an ES module can. */
function fileOf({ path, line, info }: CodeBlock): string {
  return join(root, 'test', `${path.replace(/\W/g, '-')}-line-${line}.${info === 'ts' ? 'ts' : 'mts'}`);
}

function isOfLibrary({ fileName }: ts.SourceFile): boolean {
  return fileName.startsWith(join(root, 'lib'));
}

function onUnRecoverableConfigFileDiagnostic({ messageText }: ts.Diagnostic): void {
  throw new Error(ts.flattenDiagnosticMessageText(messageText, ' '));
}
