import { characterClasses, LETTER_CLASSES, MARK, NUMBER, OTHER, SPACE, type KnownRuns } from './character-classes.js';

/** Units of a block: 30 us. */
const BLOCK_UNITS = 1 << 14;
/** Of shorter texts an end is sought within a few milliseconds. */
const LONG_TEXT_UNITS = 1 << 20;
/** Classes of which a piece may have any number, as masks of `skipRun`. */
const PURE = [LETTER_CLASSES, OTHER | MARK, SPACE, NUMBER];

/**
 * The classes that occur in each block of a text of megabytes, found in steps: then `skipRun`
 * compares masks in place of characters, because a piece may be as long as the text.
 */
export class ClassBlocks implements KnownRuns {
  /** A bit for each class, as masks of `skipRun` have them; 0 for a block not looked at yet. */
  private readonly masks: Uint8Array;

  private constructor(readonly text: string) {
    this.masks = new Uint8Array(Math.ceil(text.length / BLOCK_UNITS));
  }

  /** `undefined` for a text that is too short to need them. */
  static of(text: string): ClassBlocks | undefined {
    return text.length < LONG_TEXT_UNITS ? undefined : new ClassBlocks(text);
  }

  /** Looks at the blocks behind `at`, as far as they may be one piece. */
  *looking(at: number): Generator<undefined, void> {
    for (let block = Math.ceil(at / BLOCK_UNITS); block < this.masks.length; block++) {
      if (this.masks[block] === 0) {
        this.masks[block] = this.maskOf(block);
        yield undefined;
      }
      if (!PURE.some((classes) => (this.masks[block] & ~classes) === 0)) return;
    }
  }

  /** Where the blocks end, from that of `at` on, that have only classes of `mask`. */
  skip(at: number, mask: number): number {
    let block = Math.floor(at / BLOCK_UNITS);
    while (block < this.masks.length && this.masks[block] !== 0 && (this.masks[block] & ~mask) === 0) block++;
    const end = Math.min(this.text.length, block * BLOCK_UNITS);
    if (end <= at) return at;
    return end < this.text.length && isInsidePair(this.text, end) ? end + 1 : end;
  }

  private maskOf(block: number): number {
    const { text } = this;
    const classes = characterClasses();
    const end = Math.min(text.length, (block + 1) * BLOCK_UNITS);
    let mask = 0;
    for (let at = block * BLOCK_UNITS; at < end; at++) {
      const unit = text.charCodeAt(at);
      const isSurrogate = (unit & 0xf800) === 0xd800;
      // A pair's class is that of both blocks it may stand in.
      mask |= 1 << classes[isSurrogate ? (text.codePointAt(isInsidePair(text, at) ? at - 1 : at) as number) : unit];
    }
    return mask;
  }
}

function isInsidePair(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}
