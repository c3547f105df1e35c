import { isObject } from '../common/objects.js';

/** Keys of providers and gateways, tokens in headers, and logins in addresses. */
const SECRETS = /\b(sk-|Bearer\s+)[\w.~+/-]{16,}=*|(:\/\/)[^/\s:@]{0,200}:[^/\s@]{1,200}@/g;
const DEEPEST = 100;
const CUT = '… (cut)';

/**
 * Messages or an answer for a sink: secrets in texts are masked, and texts are truncated to
 * `maxChars` in total. Most of the truncated content is base64 images.
 */
export function loggableTexts(value: unknown, maxChars: number): unknown {
  return new Loggable(maxChars).copy(value, DEEPEST);
}

class Loggable {
  constructor(private left: number) {}

  copy(value: unknown, levels: number): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return levels === 0 ? CUT : this.list(value, levels);
    if (!isObject(value)) return value;
    if (levels === 0) return CUT;
    const copy: Record<string, unknown> = {};
    for (const name of Object.keys(value)) {
      this.left -= name.length;
      copy[name] = this.copy(value[name], levels - 1);
    }
    return copy;
  }

  private list(values: readonly unknown[], levels: number): unknown[] {
    const copies: unknown[] = [];
    for (const value of values) {
      // Lists of numbers, such as embeddings, contain no text that counts towards the bound.
      if (typeof value !== 'string') this.left -= 8;
      if (this.left <= 0) return [...copies, CUT];
      copies.push(this.copy(value, levels - 1));
    }
    return copies;
  }

  private text(text: string): string {
    const cut = text.length <= this.left ? text : text.slice(0, Math.max(0, this.left)) + CUT;
    this.left -= cut.length;
    return cut.replace(SECRETS, (_, key?: string, address?: string) => (key === undefined ? `${address}***@` : `${key}***`));
  }
}
