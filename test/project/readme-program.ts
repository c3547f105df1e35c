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
}

/** A block that is run may await at its top level, as only an ES module can. */
function fileOf({ path, line, info }: CodeBlock): string {
  return join(root, 'test', `${path.replace(/\W/g, '-')}-line-${line}.${info === 'ts' ? 'ts' : 'mts'}`);
}

function onUnRecoverableConfigFileDiagnostic({ messageText }: ts.Diagnostic): void {
  throw new Error(ts.flattenDiagnosticMessageText(messageText, ' '));
}
