/** On a replacement: what it replaced. Another copy of this package in the process finds it there and keeps off. */
const ORIGINAL = Symbol.for('nestjs-fast-litellm.original');

/** Any method: what it is called on and with, only its owner knows. */
export type Method = (this: never, ...args: never[]) => unknown;

/** `foreign`: somebody else, another copy of this package, has replaced the method before. */
export type MethodPatchState = 'applied' | 'removed' | 'covered' | 'foreign';

/**
 * One method of one object, replaced and put back. A patch that others have put on top of ours stays where it is: then ours stays too, below it,
 * and lets everything through once it is switched off.
 */
export class MethodPatch {
  private replacement: Method | null = null;
  private before: PropertyDescriptor | undefined = undefined;
  private wanted = false;

  constructor(
    private readonly holder: object,
    private readonly name: string,
    /** Makes what stands in for `original`; asked again only when the original is another one. */
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
