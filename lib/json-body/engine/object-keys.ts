/** So many keys are compared one by one; of more a set is made. */
const FEW = 8;

/** The keys of an object, to find one that stands twice. */
export class ObjectKeys {
  private few: string[] = [];
  private many: Set<string> | undefined = undefined;

  clear(): void {
    if (this.few.length > 0) this.few = [];
    this.many = undefined;
  }

  /** The number of keys. */
  get size(): number {
    return this.many?.size ?? this.few.length;
  }

  /**
   * Adds a key, with a quote in front: V8 hashes digits alone to their number, and a client could
   * choose keys that all collide. Returns false if it is there already.
   */
  add(quoted: string): boolean {
    if (this.many === undefined) {
      if (this.few.includes(quoted)) return false;
      this.few.push(quoted);
      if (this.few.length > FEW) this.many = new Set(this.few);
      return true;
    }
    return this.many.size < this.many.add(quoted).size;
  }
}
