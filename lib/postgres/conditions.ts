/**
 * Conditions of a query, from constant texts: only those that are asked for are in the statement,
 * so that the planner can use the index of each. Values are parameters.
 */
export class Conditions {
  readonly params: unknown[] = [];
  private readonly texts: string[] = [];

  /** @param text Its `$?` is the parameter; left out if the value is `undefined`. */
  with(text: string, value: string | number | undefined): this {
    if (value === undefined) return this;
    this.texts.push(text.replaceAll('$?', this.param(value)));
    return this;
  }

  /** A condition without a value. */
  always(text: string | undefined): this {
    if (text !== undefined) this.texts.push(text);
    return this;
  }

  /** The clause, or nothing. */
  get where(): string {
    return this.texts.length === 0 ? '' : `WHERE ${this.texts.join(' AND ')}`;
  }

  /** Adds a parameter and returns its name. */
  param(value: unknown): string {
    return `$${this.params.push(value)}`;
  }
}
