interface Used {
  readonly handle: number;
  times: number;
}

/** Handles for names. A handle is valid until its name was closed as often as it was opened. */
export class HandleAllocator {
  private readonly used = new Map<string, Used>();
  private readonly free: number[] = [];
  private next = 0;

  /** @param reuses Whether handles are used again. */
  constructor(private readonly reuses: boolean) {}

  /** Names that are open. */
  get size(): number {
    return this.used.size;
  }

  has(name: string): boolean {
    return this.used.has(name);
  }

  open(name: string): number {
    const used = this.used.get(name) ?? { handle: this.free.pop() ?? this.next++, times: 0 };
    used.times += 1;
    this.used.set(name, used);
    return used.handle;
  }

  /** Returns whether nothing has the name open any longer. */
  close(name: string): boolean {
    const used = this.used.get(name);
    if (used === undefined) return false;
    used.times -= 1;
    if (used.times > 0) return false;
    this.used.delete(name);
    if (this.reuses) this.free.push(used.handle);
    return true;
  }
}
