/**
 * Marks a replacement, so that another copy of this package in the process does not patch it again.
 */
const ORIGINAL = Symbol.for('nestjs-fast-litellm.original');

export type Method = (this: never, ...args: never[]) => unknown;

/**
 * `covered`: removed, below a patch of another library. `foreign`: another copy of this package has
 * patched the method.
 */
export type MethodPatchState = 'applied' | 'removed' | 'covered' | 'foreign';

/**
 * One method of one object, replaced and restorable. If another library patches the method after
 * us, our replacement stays below that patch, and only forwards calls once it is removed.
 */
export class MethodPatch {
  private replacement: Method | null = null;
  private before: PropertyDescriptor | undefined = undefined;
  private wanted = false;

  constructor(
    private readonly holder: object,
    private readonly name: string,
    /** Makes the replacement; called again only for another original. */
    private readonly make: (original: Method) => Method,
  ) {}

  apply(): MethodPatchState {
    const current = this.current;
    this.wanted = true;
    if (this.replacement !== null && (current === this.replacement || current !== this.before?.value)) return this.state;
    if (typeof current !== 'function') this.wanted = false;
    else if (!(ORIGINAL in current)) this.install(current as Method);
    return this.state;
  }

  remove(): MethodPatchState {
    this.wanted = false;
    if (this.replacement === null || this.current !== this.replacement) return this.state;
    Object.defineProperty(this.holder, this.name, this.before as PropertyDescriptor);
    this.replacement = null;
    return this.state;
  }

  get state(): MethodPatchState {
    if (this.replacement === null) return this.wanted ? 'foreign' : 'removed';
    return this.wanted ? 'applied' : 'covered';
  }

  private get current(): unknown {
    return (this.holder as Record<string, unknown>)[this.name];
  }

  private install(original: Method): void {
    const before = Object.getOwnPropertyDescriptor(this.holder, this.name);
    if (before?.configurable !== true || before.value !== original) {
      this.wanted = false;
      return;
    }
    const replacement = this.make(original);
    Object.defineProperty(replacement, 'name', { value: original.name, configurable: true });
    Object.defineProperty(replacement, ORIGINAL, { value: original });
    Object.defineProperty(this.holder, this.name, { ...before, value: replacement });
    this.before = before;
    this.replacement = replacement;
  }
}
