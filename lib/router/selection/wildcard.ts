/** Longer names match no pattern, because they come from requests and cannot be names of models. */
export const LONGEST_NAME = 512;

/**
 * A pattern for model names, in which each `*` matches any number of characters. An earlier `*`
 * matches as much as it can, as `(.*)` in LiteLLM does. Not a regular expression, because that
 * takes exponential time: eight stars on a name of 512 characters never finish.
 */
export class Wildcard {
  private readonly first: string;
  private readonly between: readonly string[];
  private readonly last: string;

  /** @param pattern with at least one `*` */
  constructor(pattern: string) {
    const parts = pattern.split('*');
    this.first = parts[0];
    this.between = parts.slice(1, -1);
    this.last = parts[parts.length - 1];
  }

  /** Returns the match of each `*`, or `null` if the name does not match. */
  capturesOf(name: string): readonly string[] | null {
    const { first, between, last } = this;
    if (name.length > LONGEST_NAME || name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last))
      return null;
    const captures: string[] = [];
    // The last occurrence of each part leaves the most to the stars before it.
    let end = name.length - last.length;
    for (let i = between.length - 1; i >= 0; i--) {
      const part = between[i];
      const at = end < part.length ? -1 : name.lastIndexOf(part, end - part.length);
      if (at < first.length) return null;
      captures.push(name.slice(at + part.length, end));
      end = at;
    }
    captures.push(name.slice(first.length, end));
    return captures.reverse();
  }
}
