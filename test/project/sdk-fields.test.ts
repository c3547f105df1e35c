import { join } from 'node:path';
import ts from 'typescript';
import { COMPLETIONS_FIELDS, MESSAGES_FIELDS, RESPONSES_FIELDS } from '../../lib/apis/client-fields.js';
import { CHAT_PARAMETERS } from '../../lib/providers/parameters.js';
import { root } from './sources.js';

/** The types of the SDKs' parameters. */
const PROGRAM = `
import type OpenAI from 'openai';
import type Newest from 'openai-newest';
import type Anthropic from '@anthropic-ai/sdk';
type Keys<T> = T extends unknown ? keyof T : never;
export declare const chat: Keys<OpenAI.ChatCompletionCreateParams> | Keys<Newest.ChatCompletionCreateParams>;
export declare const completions: Keys<OpenAI.CompletionCreateParams> | Keys<Newest.CompletionCreateParams>;
export declare const responses: Keys<OpenAI.Responses.ResponseCreateParams> | Keys<Newest.Responses.ResponseCreateParams>;
export declare const embeddings: Keys<OpenAI.EmbeddingCreateParams> | Keys<Newest.EmbeddingCreateParams>;
export declare const messages: Keys<Anthropic.MessageCreateParams> | Keys<Anthropic.Beta.MessageCreateParams>;
`;

/** The names of each API's parameters, by the types. */
function parameters(): ReadonlyMap<string, readonly string[]> {
  const path = join(root, 'test/project/sdk-fields.program.ts');
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    strict: true,
    skipLibCheck: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.getSourceFile = (name, ...rest) =>
    name === path ? ts.createSourceFile(name, PROGRAM, ts.ScriptTarget.ESNext) : getSourceFile.call(host, name, ...rest);
  host.fileExists = (name) => name === path || fileExists.call(host, name);
  const program = ts.createProgram([path], options, host);
  const source = program.getSourceFile(path) as ts.SourceFile;
  expect(program.getSemanticDiagnostics(source).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))).toEqual([]);
  const checker = program.getTypeChecker();
  const declared = checker.getExportsOfModule(checker.getSymbolAtLocation(source) as ts.Symbol);
  return new Map(
    declared.map((symbol) => {
      const type = checker.getTypeOfSymbol(symbol) as ts.UnionType;
      return [symbol.name, type.types.map((each) => String((each as ts.StringLiteralType).value))] as const;
    }),
  );
}

describe("the fields of the SDKs' types", () => {
  const names = parameters();

  it.each([
    ['messages', Object.keys(MESSAGES_FIELDS)],
    ['responses', Object.keys(RESPONSES_FIELDS)],
    ['completions', Object.keys(COMPLETIONS_FIELDS)],
    ['chat', [...CHAT_PARAMETERS]],
    // Each protocol with embeddings names these.
    ['embeddings', ['input', 'model', 'dimensions', 'encoding_format', 'user']],
  ])('are in the table of %s', (api, table) => {
    const fields = names.get(api) ?? [];
    expect(fields.length).toBeGreaterThan(4);
    expect(fields.filter((name) => !table.includes(name))).toEqual([]);
  });
});
