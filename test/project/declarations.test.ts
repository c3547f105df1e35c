import { join } from 'node:path';
import ts from 'typescript';
import { isComplete } from '../support/long.js';
import { root } from './sources.js';

/** Stricter than this project's own settings, as apps may have them. */
const STRICT: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  skipLibCheck: false,
  noEmit: true,
};

/** The `.d.ts` files of the package, which are never written to disk, by their paths in `dist/`. */
function declarations(): { readonly files: ReadonlyMap<string, string>; readonly options: ts.CompilerOptions } {
  const config = ts.readConfigFile(join(root, 'tsconfig.build.json'), (path) => ts.sys.readFile(path));
  const { options, fileNames } = ts.parseJsonConfigFileContent({ ...config.config, include: ['lib'] }, ts.sys, root);
  const files = new Map<string, string>();
  const emitted = { ...options, declaration: true, emitDeclarationOnly: true, incremental: false, tsBuildInfoFile: undefined };
  ts.createProgram(fileNames, emitted).emit(undefined, (path, text) => files.set(path, text));
  return { files, options };
}

// Compiles the package twice.
(isComplete ? it : it.skip)(
  'declares types that compile without skipLibCheck, under strict settings of an app',
  () => {
    const { files, options } = declarations();
    const strict = { ...options, ...STRICT, incremental: false, tsBuildInfoFile: undefined };
    const host = ts.createCompilerHost(strict);
    const { fileExists, readFile } = host;
    host.fileExists = (path) => files.has(path) || fileExists(path);
    host.readFile = (path) => files.get(path) ?? readFile(path);
    const program = ts.createProgram([...files.keys()], strict, host);
    const faults = program
      .getSourceFiles()
      .filter(({ fileName }) => files.has(fileName))
      .flatMap((file) => program.getSemanticDiagnostics(file));
    expect(faults.map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)).toEqual([]);
    expect(files.size).toBeGreaterThan(100);
    // Inferred types may name what another version of Nest does not export.
    const inferred = [...files].filter(([path, text]) => !/module/.test(path) && text.includes('import("@nestjs/'));
    expect(inferred.map(([path]) => path)).toEqual([]);
  },
  240_000,
);
