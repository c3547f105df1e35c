import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import type { ContentSample } from '../estimates/content-class.js';
import type { LongTextCounter, LongTexts } from './prompt-context.js';

const EXCERPT_BYTES = 2048;
/** `\u5b57`, one more than its characters. */
const LONGEST_ESCAPE = 7;

/**
 * The long texts of a body to be counted, collected so that an engine can count them all at once.
 */
export class CollectedTexts implements LongTextCounter {
  /** Indices of texts. */
  readonly places: number[] = [];

  constructor(
    readonly texts: LongTexts,
    private readonly maxTextLength: number,
  ) {}

  /** Before another walk through the body. */
  clear(): void {
    this.places.length = 0;
  }

  textOf(text: string): string {
    const index = this.texts.indexOf(text);
    return index < 0 ? text : this.texts.textAt(index);
  }

  /** Its tokens come later. */
  count(text: string): number | undefined {
    const index = this.texts.indexOf(text);
    if (index < 0) return undefined;
    // With escapes, it can be longer than the text, and the error is about the text itself.
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

  /**
   * About the UTF-16 code units of all texts but the first `counted`: a text has at most as many as
   * its bytes.
   */
  unitsAfter(counted = 0): number {
    let left = 0;
    for (const index of this.places.slice(counted)) left += this.lengthOf(index);
    return left;
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
