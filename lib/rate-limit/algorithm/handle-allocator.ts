interface Used {
  readonly number: number;
  times: number;
}

/** Numbers for names, each as long as its name was not closed as often as it was opened. */
export class Numbers {
  private readonly used = new Map<string, Used>();
  private readonly free: number[] = [];
  private next = 0;

  /** @param reuses Whether a number that was given back is the next one: the numbers stay small. */
  constructor(private readonly reuses: boolean) {}

  /** Names that are open. */
  get size(): number {
    return this.used.size;
  }

  has(name: string): boolean {
    return this.used.has(name);
  }

  open(name: string): number {
    let used = this.used.get(name);
    if (used === undefined) this.used.set(name, (used = { number: this.free.pop() ?? this.next++, times: 0 }));
    used.times += 1;
    return used.number;
  }

  close(name: string): void {
    const used = this.used.get(name);
    if (used === undefined) return;
    used.times -= 1;
    if (used.times > 0) return;
    this.used.delete(name);
    if (this.reuses) this.free.push(used.number);
  }
}
