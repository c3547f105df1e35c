import { HookFault, type InstalledHook } from '../installed-hook.js';
import type { RunningCall } from '../running-call.js';
import { readTextVerdict } from '../verdicts.js';
import type { TextSlot } from './text-format.js';

/** What a hook holds back of a part. */
interface Held {
  text: string;
  /** Characters of it that the hook has seen. */
  seen: number;
}

/** Asks the hooks of a call, one behind the other, about the texts of an answer. */
export class TextGuard {
  private readonly hooks: readonly InstalledHook[];
  /** What each hook holds back, by part. */
  private readonly held = new Map<string, Held[]>();
  /** Hooks that failed: each event would wait for one that hangs. */
  private readonly failed = new Set<InstalledHook>();

  /** @param maxChars that a hook may hold back, or put in the place of a text */
  constructor(
    private readonly call: RunningCall,
    private readonly maxChars: number,
  ) {
    this.hooks = call.with('onText');
  }

  /**
   * The text that goes on to the client: part of this one, of what was held back before, or empty.
   * @throws CallDeniedError, CallHookFailedError
   */
  next(slot: TextSlot): string | Promise<string> {
    let held = this.held.get(slot.part);
    if (held === undefined) this.held.set(slot.part, (held = this.hooks.map(() => ({ text: '', seen: 0 }))));
    if (slot.isLast) this.held.delete(slot.part);
    return this.from(0, slot, { text: slot.text, held });
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

  private ask(hook: InstalledHook, { kind, choice, part, isLast }: TextSlot, held: Held, added: string): string | Promise<string> {
    const { maxChars, failed } = this;
    const text = held.text + added;
    const isEnough = isLast || failed.has(hook) || (added !== '' && text.length - held.seen >= hook.options.minTextChars);
    if (text === '' || !isEnough) {
      held.text = text;
      if (text.length <= maxChars) return '';
    }
    held.text = '';
    held.seen = 0;
    if (failed.has(hook)) return text;
    if (text.length > maxChars) return hook.unguarded('onText', new HookFault(`holds more than ${maxChars} characters back`), text);
    const asked = { kind, choice, part, text, isLast };
    return hook.guard({
      method: 'onText',
      run: (each) => each.onText?.(this.call.view, asked),
      read: (verdict) => {
        const { pass, hold } = readTextVerdict(verdict, asked);
        if (pass.length + hold.length > maxChars) throw new HookFault(`gives a text of more than ${maxChars} characters`);
        held.text = hold;
        held.seen = hold.length;
        return pass;
      },
      unguarded: text,
      onUnguarded: () => failed.add(hook),
    });
  }
}
