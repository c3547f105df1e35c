const LONGEST_NAME = 128;
const NAME = /^[\w-]{1,128}$/;

/**
 * Converts names of tools to a form that Anthropic accepts, and back. Two names never become one.
 */
export class ToolNames {
  private readonly sent = new Map<string, string>();
  private readonly originals = new Map<string, string>();
  /** Tries per name, so that many alike are not tried again and again. */
  private readonly tries = new Map<string, number>();

  /** @param names valid ones among them stay as they are */
  constructor(names: readonly string[]) {
    for (const name of names) if (NAME.test(name)) this.keep(name, name);
  }

  /** The name to send. */
  of(name: string): string {
    return this.sent.get(name) ?? this.keep(name, this.free(name));
  }

  /** The client's own name of a tool that was called. */
  original(sent: string): string {
    return this.originals.get(sent) ?? sent;
  }

  private keep(name: string, sent: string): string {
    this.sent.set(name, sent);
    this.originals.set(sent, name);
    return sent;
  }

  private free(name: string): string {
    const candidate = NAME.test(name) ? name : name.replace(/[^\w-]/g, '_').slice(0, LONGEST_NAME) || 'tool';
    let free = candidate;
    for (let tried = this.tries.get(candidate) ?? 1; this.originals.has(free);) {
      this.tries.set(candidate, ++tried);
      const end = `_${tried}`;
      free = candidate.slice(0, LONGEST_NAME - end.length) + end;
    }
    return free;
  }
}

const ID = /^[\w-]{1,64}$/;
/** In call ids, LiteLLM puts Gemini's signature after this separator. */
const SIGNATURE = '__thought__';

export function isToolId(id: string): boolean {
  return ID.test(id);
}

/** The id of a call as Anthropic takes it: the same for the call and its result. */
export function toolIdOf(id: string): string {
  if (isToolId(id)) return id;
  return (
    id
      .split(SIGNATURE, 1)[0]
      .replace(/[^\w-]/g, '_')
      .slice(0, 64) || 'call'
  );
}
