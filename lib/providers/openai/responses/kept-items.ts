import type { OutputItem } from './items.js';

/** Characters of all items together; the oldest items make room. */
const MOST_CHARACTERS = 16 * 1024 * 1024;
/** Size of an item without its text. */
const ITEM_WEIGHT = 200;

/**
 * Output items by id, for clients that repeat them as `item_reference`, as the AI SDK does unless
 * `store` is false. Kept in the memory of this process until newer ones need the space.
 */
export class KeptItems {
  private readonly items = new Map<string, OutputItem>();
  private characters = 0;

  constructor(private readonly mostCharacters = MOST_CHARACTERS) {}

  keep(item: OutputItem): void {
    this.items.set(item.id, item);
    this.characters += weightOf(item);
    for (const [id, oldest] of this.items) {
      if (this.characters <= this.mostCharacters) return;
      this.items.delete(id);
      this.characters -= weightOf(oldest);
    }
  }

  get(id: string): OutputItem | undefined {
    return this.items.get(id);
  }
}

/** Those of this process. */
export const KEPT_ITEMS = new KeptItems();

function weightOf(item: OutputItem): number {
  if (item.type === 'function_call') return ITEM_WEIGHT + item.arguments.length + item.name.length;
  if (item.type === 'reasoning') {
    return ITEM_WEIGHT + item.summary.reduce((sum, { text }) => sum + text.length, item.encrypted_content.length);
  }
  return ITEM_WEIGHT + item.content.reduce((sum, part) => sum + (part.type === 'refusal' ? part.refusal : part.text).length, 0);
}
