import { errorMessage } from '../../common/errors.js';
import type { Refuse } from '../../common/options.js';
import { readRegularFileSync } from '../../common/regular-file.js';

/** The list in a JSON file. @throws by `refuse` naming the file */
export function readConfigList(path: string, file: string, refuse: Refuse): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(readRegularFileSync(file).toString('utf8'));
  } catch (error) {
    throw refuse(path, file, `must be a JSON file that can be read (${error instanceof SyntaxError ? 'not JSON' : errorMessage(error)})`);
  }
  if (Array.isArray(value)) return value as readonly unknown[];
  throw refuse(path, file, 'must be a file with a JSON list');
}
