import { HookFault, type InstalledHook } from '../installed-hook.js';
import type { RunningCall } from '../running-call.js';
import { readTextVerdict } from '../verdict-checks.js';
import { JsonEscapes } from './json-escapes.js';
import type { TextSlot } from './text-format.js';

/** Text of a part that a hook holds back. */
interface Held {
  text: string;
  bytes: number;
  /** Characters of it that the hook has seen. */
  seen: number;
}

/** Whole texts whose verdicts are kept, since events repeat them. */
const MOST_KEPT = 1_000;
const LONGEST_KEPT = 1_000;

/** Passes the texts of an answer to the hooks of a call, one after the other. */
export class TextGuard {
  private readonly hooks: readonly InstalledHook[];
  /** Text that each hook holds back, by part. */
  private readonly held = new Map<string, Held[]>();
  private readonly escapes = new Map<string, JsonEscapes>();
  /** Verdicts about whole texts of the kind `other`. */
  private readonly kept = new Map<string, string>();
  /** Bytes of all of it. */
  private heldBytes = 0;
  /** Hooks that failed: each event would wait for one that hangs. */
  private readonly failed = new Set<InstalledHook>();

  /** @param maxBytes that a hook can hold back, or replace a text with */
  constructor(
    private readonly call: RunningCall,
    private readonly maxBytes: number,
  ) {
    this.hooks = call.with('onText');
  }

  /** Parts that have not ended. */
  get openParts(): number {
    return this.held.size;
  }

  /**
   * The text to send to the client: part of this text, text held back before, or empty.
   * @throws CallDeniedError, CallHookFailedError
   */
  next(slot: TextSlot): string | Promise<string> {
    let held = this.held.get(slot.part);
    const isWhole = held === undefined && slot.isLast;
    if (held === undefined) this.held.set(slot.part, (held = this.hooks.map(() => ({ text: '', bytes: 0, seen: 0 }))));
    if (slot.isLast) this.held.delete(slot.part);
    if (isWhole && slot.kind === 'other') return this.nextWhole(slot, held);
    return this.from(0, slot, { text: slot.isJson === true ? this.unescaped(slot) : slot.text, held });
  }

  private nextWhole(slot: TextSlot, held: readonly Held[]): string | Promise<string> {
    const { kept } = this;
    const { text } = slot;
    const known = kept.get(text);
    if (known !== undefined) return known;
    const keep = (passed: string): string => {
      if (kept.size >= MOST_KEPT) kept.clear();
      if (text.length <= LONGEST_KEPT) kept.set(text, passed);
      return passed;
    };
    const passed = this.from(0, slot, { text, held });
    return typeof passed === 'string' ? keep(passed) : passed.then(keep);
  }

  private unescaped({ part, text, isLast }: TextSlot): string {
    const escapes = this.escapes.get(part) ?? new JsonEscapes();
    if (isLast) this.escapes.delete(part);
    else this.escapes.set(part, escapes);
    return escapes.read(text, isLast);
  }

  private from(
    first: number,
    slot: TextSlot,
    { text, held }: { readonly text: string; readonly held: readonly Held[] },
  ): string | Promise<string> {
    let passing = text;
    for (let at = first; at < this.hooks.length; at++) {
      const passed = this.ask(this.hooks[at], slot, held[at], passing);
      if (passed instanceof Promise) return passed.then((next) => this.from(at + 1, slot, { text: next, held }));
      passing = passed;
    }
    return passing;
  }

  private ask(hook: InstalledHook, { kind, choice, part, isLast, isJson }: TextSlot, held: Held, added: string): string | Promise<string> {
    const { maxBytes, failed } = this;
    const text = held.text + added;
    const bytes = held.bytes + Buffer.byteLength(added);
    const isEnough = isLast || failed.has(hook) || (added !== '' && text.length - held.seen >= hook.options.minTextChars);
    if (text === '' || !isEnough) {
      this.keep(held, text, bytes);
      // All parts together are limited, too.
      if (this.heldBytes <= maxBytes) return '';
    }
    const isTooMuch = Math.max(bytes, this.heldBytes) > maxBytes;
    this.keep(held, '', 0);
    held.seen = 0;
    if (failed.has(hook)) return text;
    if (isTooMuch) return hook.unguarded('onText', new HookFault(`held back more than ${maxBytes} bytes`), text);
    const asked = { kind, choice, part, text, isLast, ...(isJson === true && { isJson }) };
    return hook.guard({
      method: 'onText',
      run: (each) => each.onText?.(this.call.view, asked),
      read: (verdict) => {
        const { pass, hold } = readTextVerdict(verdict, asked);
        const [passBytes, holdBytes] = [Buffer.byteLength(pass), Buffer.byteLength(hold)];
        if (passBytes + holdBytes > maxBytes) throw new HookFault(`returned a text of more than ${maxBytes} bytes`);
        this.keep(held, hold, holdBytes);
        held.seen = hold.length;
        return pass;
      },
      unguarded: text,
      onUnguarded: () => failed.add(hook),
    });
  }

  private keep(held: Held, text: string, bytes: number): void {
    this.heldBytes += bytes - held.bytes;
    held.text = text;
    held.bytes = bytes;
  }
}
