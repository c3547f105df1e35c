import {
  GuardrailUnreachableError,
  type Guardrail,
  type GuardrailInput,
  type GuardrailMode,
  type GuardrailVerdict,
  type TextEdit,
} from 'nestjs-fast-litellm';

const ALL: readonly GuardrailMode[] = ['pre_call', 'during_call', 'post_call', 'logging_only'];
/** What the guardrail masks, and what it blocks. */
export const SECRET = 'sk-0123456789abcdef';
export const FORBIDDEN = 'forbidden-word';
export const MASK = '[SECRET]';

/** How a guardrail of a test judges. */
export interface WordGuardrailSettings {
  readonly modes?: readonly GuardrailMode[];
  /** `text`: returns whole texts instead of edits. */
  readonly rewrites?: 'edits' | 'text' | false;
  readonly isAsync?: boolean;
  /** Whether it says how much has to be held back. */
  readonly isExact?: boolean;
  readonly delayMs?: number;
  /** What happens instead of a verdict. */
  readonly fails?: 'throws' | 'unreachable' | 'hangs' | 'nonsense';
  readonly readsToolNames?: boolean;
}

/** An app's own guardrail: masks a secret, and blocks a word and a tool. */
export class WordGuardrail implements Guardrail {
  readonly abilities;
  readonly inputs: GuardrailInput[] = [];
  settings: WordGuardrailSettings;
  heldBack?: (text: string) => number;

  constructor(settings: WordGuardrailSettings = {}) {
    this.settings = settings;
    const { modes = ALL, rewrites = 'edits', readsToolNames = false } = settings;
    this.abilities = { modes, rewrites: rewrites !== false, readsToolNames };
    if (settings.isExact === true) this.heldBack = (text) => longestBeginning(text);
  }

  check(input: GuardrailInput): GuardrailVerdict | Promise<GuardrailVerdict> {
    this.inputs.push(input);
    const { fails, isAsync, delayMs } = this.settings;
    if (fails === 'throws') throw new Error(`failed over ${input.texts[0].text}`);
    if (fails === 'unreachable') return Promise.reject(new GuardrailUnreachableError('no connection'));
    if (fails === 'hangs') return new Promise(() => {});
    if (fails === 'nonsense') return { texts: [], findings: [] };
    if (delayMs !== undefined) return new Promise((resolve) => setTimeout(() => resolve(this.verdictOf(input)), delayMs));
    return isAsync === true ? Promise.resolve().then(() => this.verdictOf(input)) : this.verdictOf(input);
  }

  private verdictOf({ texts }: GuardrailInput): GuardrailVerdict {
    const blocked = texts.find(({ text, kind }) => text.includes(FORBIDDEN) || (kind === 'tool_name' && text === 'delete_all'));
    if (blocked !== undefined)
      return {
        block: { message: 'Blocked by a rule of this app.', details: { rule: 'words' } },
        findings: [{ kind: 'WORD', path: blocked.path, action: 'blocked', count: 1 }],
      };
    const found = texts.filter(({ text }) => text.includes(SECRET));
    if (found.length === 0) return undefined;
    const findings = found.map(({ path, text }) => ({ kind: 'KEY', path, action: 'masked' as const, count: editsIn(text).length }));
    if (this.settings.rewrites === false) return { findings };
    const changed = texts.map(({ text }) => (this.settings.rewrites === 'text' ? text.replaceAll(SECRET, MASK) : editsIn(text)));
    return { texts: changed, findings };
  }
}

function editsIn(text: string): readonly TextEdit[] {
  const edits: TextEdit[] = [];
  for (let at = text.indexOf(SECRET); at >= 0; at = text.indexOf(SECRET, at + SECRET.length))
    edits.push({ start: at, end: at + SECRET.length, replacement: MASK });
  return edits;
}

/** Characters at the end that begin what is masked or blocked. */
function longestBeginning(text: string): number {
  for (let length = SECRET.length - 1; length > 0; length--)
    if ([SECRET, FORBIDDEN].some((word) => length < word.length && text.endsWith(word.slice(0, length)))) return length;
  return 0;
}
