import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MissingFileError } from '../common/errors.js';

/** A file that the page loads. */
export interface Asset {
  readonly type: string;
  readonly body: string;
}

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLES = 'text/css; charset=utf-8';

/** Files by name: those of this package, and of the installed uPlot. None from other hosts. */
const FILES: Readonly<Record<string, { readonly type: string; readonly path: () => string }>> = {
  'app.js': { type: SCRIPT, path: () => join(__dirname, 'browser', 'app.js') },
  'app.css': { type: STYLES, path: () => join(__dirname, 'browser', 'app.css') },
  'icon.svg': { type: 'image/svg+xml', path: () => join(__dirname, 'browser', 'icon.svg') },
  'uplot.js': { type: SCRIPT, path: () => require.resolve('uplot/dist/uPlot.iife.min.js') },
  'uplot.css': { type: STYLES, path: () => require.resolve('uplot/dist/uPlot.min.css') },
};

const read = new Map<string, Asset>();

/** Reads all files, at boot. @throws MissingFileError naming the first missing file. */
export function readAssets(): void {
  for (const name of Object.keys(FILES)) findAsset(name);
}

/** A file by its name, read once; `undefined` for any other. */
export function findAsset(name: string): Asset | undefined {
  const known = read.get(name);
  if (known !== undefined || !Object.hasOwn(FILES, name)) return known;
  const { type, path } = FILES[name];
  const asset = { type, body: readAsset(name, path) };
  read.set(name, asset);
  return asset;
}

function readAsset(name: string, path: () => string): string {
  try {
    return readFileSync(path(), 'utf8');
  } catch (error) {
    throw new MissingFileError(name, 'the dashboard', { cause: error });
  }
}
