import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** As in each row of `texts`, behind the text itself. */
export const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;

/** What Hugging Face's normalizers give; see normalization.py beside the file. */
export interface NormalizationVectors {
  /** For each form a hash of each plane's `planeText`, normalized. */
  readonly planes: Readonly<Record<(typeof FORMS)[number], readonly string[]>>;
  readonly texts: readonly (readonly [given: string, ...normal: string[]])[];
}

const PATH = join(__dirname, '..', 'fixtures', 'tokenizers', 'normalization.json');

export function normalizationVectors(): NormalizationVectors {
  return JSON.parse(readFileSync(PATH, 'utf8')) as NormalizationVectors;
}

/** All code points of a plane, alone and between marks, on lines of their own. */
export function planeText(plane: number): string {
  const lines: string[] = [];
  for (let point = plane * 0x1_0000; point < (plane + 1) * 0x1_0000; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const character = String.fromCodePoint(point);
    lines.push(`${character}\n`, `a\u0345${character}\u0316\u0301\n`);
  }
  return lines.join('');
}

export function hashOfPlane(normal: string | Uint8Array): string {
  return createHash('sha256').update(normal).digest('hex').slice(0, 16);
}
