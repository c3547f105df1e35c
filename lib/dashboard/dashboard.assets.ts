import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MissingFileError } from '../common/errors.js';
import { lazy } from '../common/lazy.js';

/** A file that the page loads. */
export interface Asset {
  readonly type: string;
  readonly body: string;
}

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLES = 'text/css; charset=utf-8';

/** Files by name: those of this package, and of the installed uPlot. None from other hosts. */
const FILES: Readonly<Record<string, () => Asset>> = {
  'app.js': file(SCRIPT, () => join(__dirname, 'browser', 'app.js')),
  'app.css': file(STYLES, () => join(__dirname, 'browser', 'app.css')),
  'icon.svg': file('image/svg+xml', () => join(__dirname, 'browser', 'icon.svg')),
  'uplot.js': file(SCRIPT, () => require.resolve('uplot/dist/uPlot.iife.min.js')),
  'uplot.css': file(STYLES, () => require.resolve('uplot/dist/uPlot.min.css')),
};

/** Reads all files, at boot. @throws MissingFileError naming the first missing file. */
export function readAssets(): void {
  for (const name of Object.keys(FILES)) findAsset(name);
}

/** A file by its name, read once; `undefined` for any other. */
export function findAsset(name: string): Asset | undefined {
  if (!Object.hasOwn(FILES, name)) return undefined;
  try {
    return FILES[name]();
  } catch (error) {
    throw new MissingFileError(name, 'the dashboard', { cause: error });
  }
}

function file(type: string, path: () => string): () => Asset {
  return lazy(() => ({ type, body: readFileSync(path(), 'utf8') }));
}
