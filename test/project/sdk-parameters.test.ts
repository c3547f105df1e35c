import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { isComplete, isLong } from '../support/long.js';
import { root } from './sources.js';

const FILE = join(root, 'test/project/sdk-parameters.ts');

/** Stricter than this project's own settings, as apps may have them. */
const STRICT: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noUnusedLocals: true,
};

/** Compiler errors of sdk-parameters.ts. @param openai where the SDK is; default: node_modules */
function complaints(openai?: string): string[] {
  const config = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic });
  const paths = openai === undefined ? undefined : { openai: [openai] };
  const program = ts.createProgram({ rootNames: [FILE], options: { ...config?.options, ...STRICT, ...(paths && { paths }) } });
  if (openai !== undefined) expect(program.getSourceFiles().some(({ fileName }) => fileName.startsWith(openai))).toBe(true);
  return ts.getPreEmitDiagnostics(program, program.getSourceFile(FILE)).map(({ file, start = 0, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    return `${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

function onUnRecoverableConfigFileDiagnostic({ messageText }: ts.Diagnostic): never {
  throw new Error(ts.flattenDiagnosticMessageText(messageText, ' '));
}

/** Installs an SDK into an empty folder; `undefined` where npm cannot. */
async function installed(name: string, version: string, folder: string): Promise<string | undefined> {
  try {
    await promisify(execFile)('npm', ['install', '--no-save', '--ignore-scripts', '--prefix', folder, `${name}@${version}`], {
      timeout: 240_000,
      shell: process.platform === 'win32',
    });
    return join(folder, 'node_modules', name);
  } catch (error) {
    if (process.env.CI) throw error;
    console.warn(`skipped: npm cannot install ${name}@${version}`);
    return undefined;
  }
}

describe('the types of the client', () => {
  // Compiles the SDKs' types with settings of its own.
  (isLong ? it : it.skip)('take the parameters and give the answers of the SDKs in node_modules', () => {
    expect(complaints()).toEqual([]);
  });

  (isComplete ? it : it.skip)(
    'take the parameters and give the answers of openai 7',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'openai-'));
      try {
        const openai = await installed('openai', '7', folder);
        if (openai !== undefined) expect(complaints(openai)).toEqual([]);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    400_000,
  );
});
