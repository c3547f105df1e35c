/** A part of a text, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Joins spans that overlap, in the order of their start: the first one decides the kind. */
export function withoutOverlaps<T extends Span>(spans: readonly T[]): readonly T[] {
  const joined: T[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last === undefined || span.start >= last.end) joined.push(span);
    else if (span.end > last.end) joined[joined.length - 1] = { ...last, end: span.end };
  }
  return joined;
}
