/** A field of LiteLLM that was not carried over, or not as it is. */
export interface ImportFinding {
  /** `keys.metadata.guardrails` */
  readonly field: string;
  readonly count: number;
  /** Whether the field protects something, or limits someone. */
  readonly protects: boolean;
  readonly advice: string;
}

/** A row that could not be carried over. */
export interface FailedRow {
  readonly table: string;
  /** A public id, or the id of a team or user: never a key. */
  readonly id: string;
  readonly reason: string;
}

/** How to replace a field. */
export interface Advice {
  readonly advice: string;
  readonly protects?: boolean;
}

/** Findings of an import besides its counts. */
export class ImportFindings {
  readonly failed: FailedRow[] = [];
  private readonly fields = new Map<string, { count: number; readonly advice: Advice }>();

  add(field: string, advice: Advice): void {
    const known = this.fields.get(field);
    if (known === undefined) this.fields.set(field, { count: 1, advice });
    else known.count++;
  }

  fail(table: string, id: string, reason: string): void {
    this.failed.push({ table, id, reason });
  }

  /** Those that protect first, then the most frequent. */
  list(): readonly ImportFinding[] {
    return [...this.fields]
      .map(([field, { count, advice }]) => ({ field, count, protects: advice.protects === true, advice: advice.advice }))
      .sort((one, other) => Number(other.protects) - Number(one.protects) || other.count - one.count || (one.field < other.field ? -1 : 1));
  }
}
