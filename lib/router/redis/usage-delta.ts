/** Requests and tokens of this router that are not reported to other processes yet. */
export class Unreported {
  private readonly usage = new Map<number, { minute: number; requests: number; tokens: number }>();

  add(slot: number, requests: number, tokens: number, minute: number): void {
    const known = this.usage.get(slot);
    if (known === undefined) this.usage.set(slot, { minute, requests, tokens });
    else if (known.minute === minute) {
      known.requests += requests;
      known.tokens += tokens;
    } else Object.assign(known, { minute, requests, tokens });
  }

  /** The slot belongs to another deployment now. */
  forget(slot: number): void {
    this.usage.delete(slot);
  }

  /** The usage of a minute; counts as reported afterwards. */
  take(slot: number, minute: number): { readonly requests: number; readonly tokens: number } {
    const known = this.usage.get(slot);
    if (known?.minute !== minute) return { requests: 0, tokens: 0 };
    const { requests, tokens } = known;
    known.requests = 0;
    known.tokens = 0;
    return { requests, tokens };
  }
}
