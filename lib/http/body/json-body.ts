import type { Fields } from '../../common/objects.js';
import { type JsonScan, type ScannedField, textIn } from '../../json-body/engine/engine.js';
import type { LongTexts } from '../../token-counter/prompt/prompt-context.js';
import { decodeJsonText, markedIndex } from '../../json-body/text-marks.js';
import { freeBytes } from '../../engine/native-memory.js';

/** A value, or a promise of it for long bodies. */
export type Soon<T> = T | Promise<T>;

/** Nothing longer is the name of a model: it is refused before anything works with it. */
export const LONGEST_MODEL_NAME = 4096;
const QUOTE = 0x22;

/** A JSON object as its original bytes, with the results of a scan. Immutable. */
export class JsonBody implements LongTexts {
  /** Tokens of its prompt, once they are counted. */
  promptTokens: number | undefined = undefined;
  private parsedOutline: Fields | undefined = undefined;
  private readFields: Fields | undefined = undefined;
  /** Whether all of its lists are within their bounds. */
  areListsChecked = false;
  /** Calls that read it. */
  calls = 0;
  /** Requests to providers with its bytes, until all are written. */
  private uses = 0;
  private isReleased = false;

  /** @param isOwn whether nothing else has the bytes, so that they may be freed */
  constructor(
    readonly bytes: Buffer,
    readonly scan: JsonScan,
    readonly isOwn = false,
  ) {}

  /** A request sends its bytes. One that breaks off never ends its use: a write may be pending. */
  use(): void {
    this.uses++;
  }

  endUse(): void {
    this.uses--;
    this.free();
  }

  /** The call that read it has ended. Its bytes are freed unless another one has read them, too. */
  release(): void {
    this.isReleased = true;
    this.free();
  }

  /** Its fields with marks instead of long texts. Not to be changed. */
  get outline(): Fields {
    return (this.parsedOutline ??= JSON.parse(this.scan.outline ?? textIn(this.bytes)) as Fields);
  }

  /** The same, but for the model's name, which is not a part of the prompt. */
  get promptFields(): Fields {
    return (this.readFields ??= this.withModel());
  }

  /** Whether its `model` is a text too long for a name, found without parsing anything. */
  get hasLongModel(): boolean {
    const field = this.scan.fields.find(({ name }) => name === 'model');
    return field !== undefined && this.bytes[field.valueStart] === QUOTE && field.valueEnd - field.valueStart > LONGEST_MODEL_NAME + 2;
  }

  /** The bytes of a field's value. */
  sliceOf({ valueStart, valueEnd }: ScannedField): Buffer {
    return this.bytes.subarray(valueStart, valueEnd);
  }

  /** A field's value, parsed again. */
  valueOf({ valueStart, valueEnd }: ScannedField): unknown {
    return JSON.parse(this.bytes.toString('utf8', valueStart, valueEnd));
  }

  /** All fields, parsed again. */
  parsed(): Fields {
    return JSON.parse(textIn(this.bytes)) as Fields;
  }

  get places(): Uint32Array {
    return this.scan.texts;
  }

  indexOf(text: string): number {
    return markedIndex(text);
  }

  /** The text that stands at an index of `scan.texts`. */
  textAt(index: number): string {
    const { texts } = this.scan;
    return decodeJsonText(this.bytes, texts[2 * index], texts[2 * index + 1]);
  }

  /** The same as it stands between its quotes. */
  rawText(index: number): Buffer {
    const { texts } = this.scan;
    return this.bytes.subarray(texts[2 * index], texts[2 * index + 1]);
  }

  /** A text of the outline; for a mark, the long text that it replaces. */
  textOf(outlined: string): string {
    const index = markedIndex(outlined);
    return index < 0 ? outlined : this.textAt(index);
  }

  private free(): void {
    if (this.isOwn && this.isReleased && this.uses === 0 && this.calls <= 1) freeBytes(this.bytes);
  }

  private withModel(): Fields {
    const { outline } = this;
    const { model } = outline;
    return typeof model !== 'string' || markedIndex(model) < 0 ? outline : { ...outline, model: this.textOf(model) };
  }
}
