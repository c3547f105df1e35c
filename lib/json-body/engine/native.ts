import type { EngineName } from '../../common/capability.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import type { JsonBounds } from '../json-bounds.js';
import { JsonBodyEngine, type JsonFault, type JsonScan } from './engine.js';
import { boundFault, duplicateFault, FIELD_NUMBERS, scanOf, syntaxFault } from './results.js';

/** First number of an answer of the addon, other than 0 for a scan. */
const SYNTAX = 1;
const BOUND = 2;
const DUPLICATE = 3;
const TOO_LONG = 5;
/** Second number of a scan. */
const IS_OBJECT = 1;
const HAS_ODD_NUMBERS = 2;
const BOUNDS = ['maxDepth', 'maxKeys', 'maxContainers', 'maxValues'] as const;
/** Marks a missing key. */
const NO_KEY = 0xffffffff;
/** Numbers before those of the fields. */
const HEADER = 4;
/** Length of the reused array: that of a body with hundreds of fields or texts. */
const SCRATCH_NUMBERS = 1 << 12;
const NO_TEXTS = new Uint32Array(0);

/**
 * The native engine: passes bytes to the addon, and converts the numbers that it returns into
 * objects.
 */
export class NativeJsonBodyEngine extends JsonBodyEngine {
  readonly engine: EngineName = 'native';
  private readonly scratch = new Uint32Array(SCRATCH_NUMBERS);

  constructor(private readonly binding: NativeBinding) {
    super();
  }

  scan(bytes: Buffer, bounds: Required<JsonBounds>): JsonScan | JsonFault {
    let numbers = this.scratch;
    let outline = this.binding.scanJson(bytes, withBounds(numbers, bounds));
    if (numbers[0] === TOO_LONG) {
      numbers = new Uint32Array(numbers[1]);
      outline = this.binding.scanJson(bytes, withBounds(numbers, bounds));
    }
    return resultOf(bytes, bounds, numbers, outline);
  }

  async scanAsync(bytes: Buffer, bounds: Required<JsonBounds>, isOwn = false): Promise<JsonScan | JsonFault> {
    const { numbers, outline } = await this.binding.scanJsonAsync(bytes, withBounds(new Uint32Array(HEADER), bounds), isOwn);
    return resultOf(bytes, bounds, numbers, outline);
  }
}

function withBounds(numbers: Uint32Array, { maxDepth, maxKeys, maxContainers, maxValues }: Required<JsonBounds>): Uint32Array {
  numbers[0] = maxDepth;
  numbers[1] = maxKeys;
  numbers[2] = maxContainers;
  numbers[3] = maxValues;
  return numbers;
}

function resultOf(bytes: Buffer, bounds: Required<JsonBounds>, numbers: Uint32Array, outline: string | undefined): JsonScan | JsonFault {
  switch (numbers[0]) {
    case 0: {
      const fieldCount = numbers[2];
      const textCount = numbers[3];
      const firstText = HEADER + fieldCount * FIELD_NUMBERS;
      const texts = textCount === 0 ? NO_TEXTS : numbers.slice(firstText, firstText + 2 * textCount);
      const isObject = (numbers[1] & IS_OBJECT) > 0;
      const hasOddNumbers = (numbers[1] & HAS_ODD_NUMBERS) > 0;
      const fields = { numbers, from: HEADER, count: fieldCount };
      return scanOf(bytes, { isObject, hasOddNumbers, fields, texts, outline });
    }
    case SYNTAX:
      return syntaxFault(bytes, numbers[1]);
    case BOUND:
      return boundFault(bytes, bounds, BOUNDS[numbers[1]], numbers[2] === NO_KEY ? [-1, -1] : [numbers[2], numbers[3]]);
    case DUPLICATE:
      return duplicateFault(bytes, [numbers[1], numbers[2]]);
    default:
      return { kind: 'prototype', at: numbers[1] };
  }
}
