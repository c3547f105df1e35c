import {
  characterClasses,
  isInsidePair,
  LETTER_CLASSES,
  LINE_END,
  MARK,
  NUMBER,
  OTHER,
  SPACE,
  type KnownRuns,
} from './character-classes.js';

/** Units of a block: 30 us. */
const BLOCK_UNITS = 1 << 14;
/** Of shorter texts an end is sought within a few milliseconds. */
const LONG_TEXT_UNITS = 1 << 20;

/** Masks of classes of which a piece may have any number but for its first characters. */
const PURE: readonly number[] = [LETTER_CLASSES, OTHER | MARK | LINE_END, SPACE, NUMBER];

/**
 * The character classes that occur in each block of a text of megabytes, collected in steps. Runs
 * are then found with masks instead of characters, because a piece can be as long as the text.
 */
export class ClassBlocks implements KnownRuns {
  private readonly table = characterClasses();
  /** A bit for each class; 0 for a block not looked at yet. */
  private readonly masks: Uint32Array;

  private constructor(readonly text: string) {
    this.masks = new Uint32Array(Math.ceil(text.length / BLOCK_UNITS));
  }

  /** `undefined` for a text that is too short to need them. */
  static of(text: string): ClassBlocks | undefined {
    return text.length < LONG_TEXT_UNITS ? undefined : new ClassBlocks(text);
  }

  /** Reads the blocks after the one at `at`, as long as they may be one piece. */
  *looking(at: number): Generator<undefined, void> {
    for (let block = Math.floor(at / BLOCK_UNITS) + 1; block < this.masks.length; block++) {
      if (this.masks[block] === 0) {
        this.masks[block] = this.maskOf(block * BLOCK_UNITS, Math.min(this.text.length, (block + 1) * BLOCK_UNITS));
        yield undefined;
      }
      if (!PURE.some((classes) => (this.masks[block] & ~classes) === 0)) return;
    }
  }

  /** Where the blocks end, from that of `at` on, that have only classes of `mask`. */
  skip(at: number, mask: number): number {
    let block = Math.floor(at / BLOCK_UNITS);
    while (this.isOnly(block, mask)) block++;
    const end = Math.min(this.text.length, block * BLOCK_UNITS);
    if (end <= at) return at;
    return isInsidePair(this.text, end) ? end + 1 : end;
  }

  /** Where they start, back from that before `at`. */
  skipBack(at: number, mask: number): number {
    let block = Math.floor((at - 1) / BLOCK_UNITS);
    while (this.isOnly(block, mask)) block--;
    const start = (block + 1) * BLOCK_UNITS;
    if (start >= at) return at;
    return isInsidePair(this.text, start) ? start + 1 : start;
  }

  private isOnly(block: number, mask: number): boolean {
    const known = this.masks[block] ?? 0;
    return known !== 0 && (known & ~mask) === 0;
  }

  /** The classes of the characters that start in a part of the text, as a mask. */
  private maskOf(from: number, to: number): number {
    const { table, text } = this;
    let mask = 0;
    for (let at = from; at < to; at++) {
      const unit = text.charCodeAt(at);
      const isSurrogate = (unit & 0xf800) === 0xd800;
      // A pair's class is that of both blocks that it can be in.
      mask |= 1 << table[isSurrogate ? (text.codePointAt(isInsidePair(text, at) ? at - 1 : at) as number) : unit];
    }
    return mask;
  }
}
