import { realpathSync, statSync } from 'node:fs';
import { dirname, relative, isAbsolute, resolve, sep } from 'node:path';
import { Composer, isAlias, isCollection, isNode, isPair, Lexer, LineCounter, Parser, visit, type CST, type Document } from 'yaml';
import { checkExtent, readConfigText } from '../../common/config-text.js';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { checkArray, checkObject, checkString } from '../../common/options.js';
import { refuseFileValue } from './file-values.js';
import { checkFileKeys } from './protecting-keys.js';

type Section = Readonly<Record<string, unknown>>;

/**
 * Upper bound of nested YAML nodes, several per level of values. Beyond it, the recursion of the
 * composer would end the process.
 */
const MAX_NODES_DEEP = 300;
const MAX_INCLUDES = 100;
/** Most nodes that aliases repeat: following a million takes seconds, merging them minutes. */
const MAX_REPEATED = 50_000;

/**
 * Reads a LiteLLM `config.yaml`, or the same as JSON, with the files that it includes. Size, depth
 * and expanded aliases are bounded. Errors quote no text of the file, because it may hold keys.
 * @param files Receives the path of each file that is read.
 * @throws InvalidConfigurationError naming the file and the place in it.
 */
export function readConfigDocument(path: string, files: string[] = []): Section {
  files.push(path);
  const config = withIncluded(path, readDocument(path), files);
  checkFileKeys(path, config);
  return config;
}

function readDocument(path: string): Section {
  const document = compose(path, readConfigText(path));
  let value: unknown;
  try {
    // LiteLLM accepts any number of aliases; `compose` bounds their expansion.
    value = document.toJS({ maxAliasCount: -1 });
  } catch (error) {
    throw new InvalidConfigurationError(path, isMergeFault(error) ? errorMessage(error) : 'must be valid YAML (an alias has no anchor)');
  }
  checkExtent(path, value);
  return checkObject(path, value, refuseFileValue);
}

function compose(path: string, text: string): Document {
  const lines = new LineCounter();
  const [document, second] = new Composer({ merge: true, logLevel: 'error' }).compose(tokensOf(path, text, lines), true, text.length);
  const [fault] = document.errors;
  if (fault !== undefined) {
    const { line, col } = lines.linePos(fault.pos[0]);
    throw new InvalidConfigurationError(path, `must be valid YAML (${fault.code} at line ${line}, column ${col})`);
  }
  if (second !== undefined) throw new InvalidConfigurationError(path, 'must contain exactly one document');
  visit(document, {
    Alias(_, { source, range }, around) {
      if (!around.some((node) => isNode(node) && 'anchor' in node && node.anchor === source)) return;
      throw new InvalidConfigurationError(
        path,
        `must not have an alias inside its own anchor (line ${lines.linePos(range?.[0] ?? 0).line})`,
      );
    },
  });
  if (repeatedNodes(document.contents) > MAX_REPEATED)
    throw new InvalidConfigurationError(path, `must repeat at most ${MAX_REPEATED} values through aliases`);
  return document;
}

/** Number of nodes that the aliases of a document would add, in time linear in its text. */
function repeatedNodes(contents: unknown): number {
  const anchors = new Map<string, number>();
  let repeated = 0;
  const sizeOf = (node: unknown): number => {
    if (isAlias(node)) {
      const size = anchors.get(node.source) ?? 1;
      repeated += size;
      return size;
    }
    let size = 1;
    if (isPair(node)) size = sizeOf(node.key) + sizeOf(node.value);
    else if (isCollection(node)) for (const item of node.items) size += sizeOf(item);
    if (isNode(node) && 'anchor' in node && node.anchor !== undefined) anchors.set(node.anchor, size);
    return size;
  };
  sizeOf(contents);
  return repeated;
}

function tokensOf(path: string, text: string, lines: LineCounter): CST.Token[] {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > MAX_NODES_DEEP)
      throw new InvalidConfigurationError(path, `must not be nested deeper than ${MAX_NODES_DEEP} YAML nodes`);
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

/** The only error of the YAML library that quotes no text of the file. */
function isMergeFault(error: unknown): boolean {
  return errorMessage(error).startsWith('Merge sources must be maps');
}

/**
 * Merges included files as LiteLLM does: paths are relative to the including file, lists are
 * joined, of other values the last one wins. Unlike there, only files below the folder of the
 * including file are read, wherever symbolic links lead.
 */
function withIncluded(path: string, { include, ...config }: Section, files: string[]): Section {
  if (include === undefined || include === null) return config;
  const at = `${path}: include`;
  const names = checkArray(at, include, (where, value) => checkString(where, value, refuseFileValue), refuseFileValue);
  if (names.length > MAX_INCLUDES) throw new InvalidConfigurationError(at, `must name at most ${MAX_INCLUDES} files`);
  const merged = { ...config };
  for (const name of names) {
    const included = includedPath(path, name);
    files.push(included);
    const document = readDocument(included);
    if (document.include !== undefined) throw new InvalidConfigurationError(`${included}: include`, 'must not be set in an included file');
    for (const [key, value] of Object.entries(document)) {
      const known = merged[key];
      merged[key] = Array.isArray(known) && Array.isArray(value) ? [...(known as unknown[]), ...(value as unknown[])] : value;
    }
  }
  return merged;
}

function includedPath(path: string, name: string): string {
  const folder = dirname(resolve(path));
  const included = resolve(folder, name);
  let isFile: boolean;
  let inside: boolean;
  try {
    inside = isBelow(folder, included) && isBelow(realpathSync(folder), realpathSync(included));
    isFile = statSync(included).isFile();
  } catch (error) {
    throw new InvalidConfigurationError(included, `cannot be read (${errorMessage(error)})`, { cause: error });
  }
  if (!inside)
    throw new InvalidConfigurationError(`${path}: include`, `must name files in or below the folder of ${path}, got ${included}`);
  if (!isFile) throw new InvalidConfigurationError(`${path}: include`, `must name files, got ${included}`);
  return included;
}

function isBelow(folder: string, file: string): boolean {
  const way = relative(folder, file);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
