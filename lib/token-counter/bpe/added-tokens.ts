interface Node {
  readonly next: Map<number, Node>;
  id: number;
}

/** A token's text in a text. */
export interface FoundToken {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/** Finds the added tokens of a tokenizer in a text: the leftmost, and of those the longest. */
export class AddedTokens {
  private readonly root: Node = { next: new Map(), id: -1 };
  /** By first UTF-16 code unit: whether a token starts with it. */
  private readonly starts = new Uint8Array(1 << 16);

  constructor(tokens: Iterable<readonly [text: string, id: number]>) {
    for (const [text, id] of tokens) this.add(text, id);
  }

  private add(text: string, id: number): void {
    this.starts[text.charCodeAt(0)] = 1;
    let node = this.root;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      let next = node.next.get(unit);
      if (next === undefined) node.next.set(unit, (next = { next: new Map(), id: -1 }));
      node = next;
    }
    node.id = id;
  }

  /** The next one that starts from `from` on and before `until`. */
  find(text: string, from: number, until = text.length): FoundToken | undefined {
    const stop = Math.min(until, text.length);
    for (let start = from; start < stop; start++) {
      if (this.starts[text.charCodeAt(start)] === 0) continue;
      let found: FoundToken | undefined = undefined;
      let node = this.root.next.get(text.charCodeAt(start));
      for (let end = start + 1; node !== undefined; end++) {
        if (node.id >= 0) found = { id: node.id, start, end };
        node = node.next.get(text.charCodeAt(end));
      }
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
