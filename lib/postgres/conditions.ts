/**
 * Builds a `WHERE` clause from constant texts. It contains only the conditions in use, so that the
 * planner can choose an index; values are parameters.
 */
export class Conditions {
  readonly params: unknown[] = [];
  private readonly texts: string[] = [];

  /** @param text Contains `$?` for the parameter; omitted if the value is `undefined`. */
  with(text: string, value: string | number | undefined): this {
    if (value === undefined) return this;
    this.texts.push(text.replaceAll('$?', this.param(value)));
    return this;
  }

  /** Adds a condition without a value. */
  always(text: string | undefined): this {
    if (text !== undefined) this.texts.push(text);
    return this;
  }

  /** Returns the clause; empty without conditions. */
  get where(): string {
    return this.texts.length === 0 ? '' : `WHERE ${this.texts.join(' AND ')}`;
  }

  /** Adds a parameter and returns its name. */
  param(value: unknown): string {
    return `$${this.params.push(value)}`;
  }
}
