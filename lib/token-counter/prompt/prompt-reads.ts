/**
 * How rules have read an object: `whole`: all of it; `names`: its keys; `schema`: as a JSON schema;
 * `part`: as an object of an API, whose words and ids are not part of the prompt.
 */
export type ReadAs = 'whole' | 'names' | 'schema' | 'part';

/** V8 hashes longer texts only by their length. */
const LONGEST_HASHED = 16_000;
/** Most texts of one length to compare: more would let a body cost quadratic time. */
const MOST_COMPARED = 8;

/** Records which parts of a body the rules have counted; `PromptRest` counts everything else. */
export class PromptReads {
  /** How often each text was counted. */
  private readonly texts = new Map<string, number>();
  /** Longer texts, by length. */
  private readonly long = new Map<number, string[]>();
  private readonly objects = new Map<object, ReadAs>();
  /** Counted messages; plain ones leave no record. */
  messages: unknown = undefined;
  areMessagesPlain = true;

  constructor(
    /** Called where a count begins again. */
    private readonly cleared: () => void = () => {},
  ) {}

  text(text: string): void {
    if (text.length <= LONGEST_HASHED) {
      this.texts.set(text, (this.texts.get(text) ?? 0) + 1);
      return;
    }
    const known = this.long.get(text.length);
    if (known === undefined) this.long.set(text.length, [text]);
    else known.push(text);
  }

  /** Records how a value was read, if it is an object. */
  note(how: ReadAs, value: unknown): void {
    if (typeof value === 'object' && value !== null) this.objects.set(value, how);
  }

  readAs(value: object): ReadAs | undefined {
    return this.objects.get(value);
  }

  /** Whether a text of the body was counted: each time it was covers one place. */
  takes(text: string): boolean {
    if (text.length > LONGEST_HASHED) return this.takesLong(text);
    const times = this.texts.get(text);
    if (times === undefined || times === 0) return false;
    this.texts.set(text, times - 1);
    return true;
  }

  clear(): void {
    this.texts.clear();
    this.long.clear();
    this.objects.clear();
    this.messages = undefined;
    this.areMessagesPlain = true;
    this.cleared();
  }

  private takesLong(text: string): boolean {
    const known = this.long.get(text.length) ?? [];
    // Rules and `PromptRest` mostly read in the same order.
    for (let at = 0; at < known.length && at < MOST_COMPARED; at++) {
      if (known[at] !== text) continue;
      known.splice(at, 1);
      return true;
    }
    return false;
  }
}
