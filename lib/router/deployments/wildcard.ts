/**
 * A model name's pattern, in which each `*` stands for any characters, none included. Matches as LiteLLM's `(.*)` does: an earlier `*` takes as much as it can.
 * Not a regular expression, because that needs time in the power of its stars: eight of them over a name of 512 characters never end.
 */
export class Wildcard {
  private readonly first: string;
  private readonly between: readonly string[];
  private readonly last: string;

  /** @param pattern with one `*` at least */
  constructor(pattern: string) {
    const parts = pattern.split('*');
    this.first = parts[0];
    this.between = parts.slice(1, -1);
    this.last = parts[parts.length - 1];
  }

  /** What stands in the place of each `*`, or `null` where the name does not match. */
  capturesOf(name: string): readonly string[] | null {
    const { first, between, last } = this;
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return null;
    const captures: string[] = [];
    // The last place of each part leaves the most to the stars before it.
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
