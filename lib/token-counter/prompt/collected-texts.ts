import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import type { ContentSample } from '../estimates/content-class.js';
import type { LongTextCounter, LongTexts } from './prompt-context.js';

const EXCERPT_BYTES = 2048;
/** `\u5b57`, one more than its characters. */
const LONGEST_ESCAPE = 7;

/** The long texts of a body that its rules count, for an engine to count all at once. */
export class CollectedTexts implements LongTextCounter {
  /** Indices of texts. */
  readonly places: number[] = [];
  /** UTF-16 units of the texts that were counted. */
  readUnits = 0;
  private readonly units = new Map<number, number>();

  constructor(
    readonly texts: LongTexts,
    private readonly maxTextLength: number,
  ) {}

  /** Before another walk through the body. */
  clear(): void {
    this.places.length = 0;
    this.units.clear();
    this.readUnits = 0;
  }

  textOf(text: string): string {
    const index = this.texts.indexOf(text);
    return index < 0 ? text : this.texts.textAt(index);
  }

  /** Its tokens come later. */
  count(text: string): number | undefined {
    const index = this.texts.indexOf(text);
    if (index < 0) return undefined;
    // Escaped it may be longer than the text: the error is for the text itself.
    if (this.lengthOf(index) > this.maxTextLength) throw new InvalidArgumentError('text', NO_VALUE, 'may be too long');
    this.places.push(index);
    return 0;
  }

  /** Adds an excerpt of each text to count. */
  addTo(sample: ContentSample): void {
    const { bytes, places } = this.texts;
    for (const index of this.places) {
      const start = places[2 * index];
      const length = Math.min(EXCERPT_BYTES, places[2 * index + 1] - start);
      const text = excerptOf(Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('utf8'));
      // As many characters for a byte as the excerpt has.
      sample.add(text, Math.round((text.length / length) * this.lengthOf(index)));
    }
  }

  /** The places of the texts to count. */
  toCount(): Uint32Array {
    const { texts, places } = this;
    const wanted = new Uint32Array(places.length * 2);
    places.forEach((index, at) => {
      wanted[2 * at] = texts.places[2 * index];
      wanted[2 * at + 1] = texts.places[2 * index + 1];
    });
    return wanted;
  }

  /** Average bytes of a text to count. */
  get averageLength(): number {
    const { places } = this;
    return places.reduce((sum, index) => sum + this.lengthOf(index), 0) / Math.max(1, places.length);
  }

  /**
   * Takes the UTF-16 units of the first `counted` texts. Returns about how many the others have: a
   * text has at most as many as its bytes.
   */
  read(units: Uint32Array | undefined, counted = units?.length ?? 0): number {
    let left = 0;
    this.places.forEach((index, at) => {
      const known = units !== undefined && at < counted ? units[at] : undefined;
      if (known === undefined) left += this.lengthOf(index);
      const length = known ?? this.lengthOf(index);
      this.units.set(index, length);
      this.readUnits += length;
    });
    return left;
  }

  /** Of a string of the body that stands for a long text; its bytes are at most so many. */
  sizeOf(text: string): { readonly units: number; readonly bytes: number } | undefined {
    const index = this.texts.indexOf(text);
    if (index < 0) return undefined;
    const known = this.units.get(index);
    if (known !== undefined) return { units: known, bytes: this.lengthOf(index) };
    const uncounted = this.texts.textAt(index);
    return { units: uncounted.length, bytes: Buffer.byteLength(uncounted) };
  }

  private lengthOf(index: number): number {
    const { places } = this.texts;
    return places[2 * index + 1] - places[2 * index];
  }
}

/** The text of a JSON string's excerpt: letters may be escapes, of which the last may be cut. */
function excerptOf(json: string): string {
  if (!json.includes('\\')) return json;
  for (let end = json.length; end > 0 && end > json.length - LONGEST_ESCAPE; end--) {
    try {
      return JSON.parse(`"${json.slice(0, end)}"`) as string;
    } catch {
      // The cut is inside of an escape.
    }
  }
  return json;
}
