/** What of a body its prompt is made of. */
export interface PromptFields {
  readonly model?: unknown;
  readonly messages?: unknown;
  readonly input?: unknown;
  readonly prompt?: unknown;
  readonly system?: unknown;
  readonly instructions?: unknown;
  readonly tools?: unknown;
  readonly functions?: unknown;
}

/** Where the prompt of a request is remembered, as a guard and a client ask for the same one: the request's context. */
export interface PromptMemory {
  prompt: CountedPrompt | undefined;
}

/** A prompt of more values is counted anew each time. */
const MOST_VALUES = 200_000;

/** A count, and what it was made of. */
export class CountedPrompt {
  private constructor(
    readonly tokens: number,
    private readonly values: readonly unknown[],
  ) {}

  /** `undefined`: too many values to be remembered. */
  static of(tokens: number, request: PromptFields): CountedPrompt | undefined {
    const values = valuesOf(request);
    return values === undefined ? undefined : new CountedPrompt(tokens, values);
  }

  /** Whether nothing of the prompt has changed since, wherever it stands. Equal texts are mostly the same one: comparing them reads none. */
  isOf(request: PromptFields): boolean {
    const { values } = this;
    const current = valuesOf(request);
    return current?.length === values.length && current.every((value, index) => value === values[index]);
  }
}

/** All objects, keys and values of a prompt, in an order of their own; not recursive, as a body may be nested deeper than the stack. */
function valuesOf({ model, messages, input, prompt, system, instructions, tools, functions }: PromptFields): unknown[] | undefined {
  const values: unknown[] = [model, messages, input, prompt, system, instructions, tools, functions];
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) for (let i = 0; i < value.length && values.length <= MOST_VALUES; i++) values.push(value[i]);
    else for (const key in value) values.push(key, (value as Record<string, unknown>)[key]);
    if (values.length > MOST_VALUES) return undefined;
  }
  return values;
}
