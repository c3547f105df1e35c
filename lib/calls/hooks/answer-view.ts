import type { Fields } from '../../common/objects.js';
import type { HookedAnswer } from './call-hook.js';

/** A whole answer for hooks. */
export class AnswerView implements HookedAnswer {
  private parsed: Fields | undefined = undefined;

  constructor(
    readonly bytes: Buffer,
    readonly usage: HookedAnswer['usage'],
    readonly facts: HookedAnswer['facts'],
  ) {}

  json(): Fields {
    return (this.parsed ??= frozen(JSON.parse(this.bytes.toString('utf8'))) as Fields);
  }
}

/** Freezes a value of JSON in depth: a hook that changes it in place would be ignored without. */
export function frozen(value: unknown): unknown {
  const open = [value];
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    if (typeof each !== 'object' || each === null) continue;
    Object.freeze(each);
    for (const inner of Object.values(each)) if (typeof inner === 'object' && inner !== null) open.push(inner);
  }
  return value;
}
