import { InvalidArgumentError } from '../common/errors.js';

/** More than any request has, and written in about 0.1 s. */
const MOST_PARTS = 100_000;
/** As the largest body, because without references a schema is no longer than the request. */
const LONGEST = 32 * 1024 * 1024;

/**
 * Limits the total size of one request's schemas. References that are expanded, and a schema
 * written once for each of its types, multiply a small request: each result is small, but their
 * total is not.
 */
export class SchemaBudget {
  private parts = 0;
  private characters = 0;
  /** Of values that are copied again and again. */
  private readonly lengths = new WeakMap<object, number>();

  constructor(
    private readonly most: { readonly parts: number; readonly characters: number } = { parts: MOST_PARTS, characters: LONGEST },
  ) {}

  /** Takes one part of a schema. @throws InvalidArgumentError beyond the bound */
  part(path: string): void {
    const { parts } = this.most;
    if (++this.parts > parts) throw new InvalidArgumentError(path, this.parts, `must have at most ${parts} parts across all schemas`);
  }

  /** Takes characters that are written or read. @throws InvalidArgumentError beyond the bound */
  take(path: string, count: number): void {
    this.characters += count;
    const { characters } = this.most;
    if (this.characters > characters)
      throw new InvalidArgumentError(path, this.characters, `must have at most ${characters} characters across all schemas`);
  }

  /** Takes a value that is written as it is. @throws InvalidArgumentError beyond the bound */
  value(path: string, value: unknown): void {
    this.take(path, this.lengthOf(value));
  }

  private lengthOf(value: unknown): number {
    if (typeof value === 'string') return value.length;
    if (typeof value !== 'object' || value === null) return 1;
    const known = this.lengths.get(value);
    if (known !== undefined) return known;
    const length = JSON.stringify(value).length;
    this.lengths.set(value, length);
    return length;
  }
}
