import { RandomJson } from './random-json.js';
import { seededRandom } from './random-text.js';

type Fields = Readonly<Record<string, string>>;

const IMAGE = `data:image/png;base64,${Buffer.from('89504e470d0a1a0a0000000d49484452000004000000030008', 'hex').toString('base64')}${'A'.repeat(400)}`;

/** Bodies of model calls as JSON texts: long and short texts with escapes, tools, images, odd parts. */
export class RandomRequests {
  private readonly random: () => number;
  private readonly json: RandomJson;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.json = new RandomJson(seed + 1);
  }

  /** OpenAI's chat. */
  chat(): string {
    return this.object({ model: this.quoted('gpt-4o'), messages: this.list(() => this.message()), ...this.others() });
  }

  /** Anthropic's Messages. */
  messages(): string {
    const blocks = (): string => this.list(() => this.block());
    const turn = (): string =>
      this.object({ role: this.quoted(this.one(['user', 'assistant'])), content: this.chance(0.4) ? this.text() : blocks() });
    const system = this.chance(0.5) && { system: this.chance(0.5) ? this.text() : blocks() };
    return this.object({
      model: this.quoted('claude-sonnet-4-5'),
      max_tokens: '64',
      ...system,
      messages: this.list(turn),
      ...this.others(),
    });
  }

  /** OpenAI's Responses. */
  responses(): string {
    const item = (): string =>
      this.chance(0.5)
        ? this.object({ role: this.quoted('user'), content: this.chance(0.5) ? this.text() : this.list(() => this.part('input_text')) })
        : this.object({ type: this.quoted('function_call_output'), call_id: this.quoted('c1'), output: this.text() });
    const input = this.chance(0.3) ? this.text() : this.list(item);
    return this.object({ model: this.quoted('gpt-4o'), input, ...(this.chance(0.5) && { instructions: this.text() }), ...this.others() });
  }

  /** Embeddings, or a completion. */
  texts(field: 'input' | 'prompt'): string {
    return this.object({ model: this.quoted('gpt-4o'), [field]: this.chance(0.5) ? this.text() : this.list(() => this.text()) });
  }

  private message(): string {
    const role = this.one(['system', 'user', 'assistant', 'tool']);
    const content = this.chance(0.6) ? this.text() : this.list(() => this.part('text'));
    const call = (): string =>
      this.object({
        id: this.chance(0.9) ? this.quoted('call_1') : this.text(),
        type: this.quoted('function'),
        function: this.object({ name: this.quoted('find'), arguments: this.text() }),
      });
    return this.object({
      role: this.quoted(role),
      ...(this.chance(0.95) && { content }),
      ...(this.chance(0.1) && { name: this.text() }),
      ...(role === 'assistant' && this.chance(0.5) && { tool_calls: this.list(call) }),
      ...(role === 'tool' && { tool_call_id: this.chance(0.9) ? this.quoted('call_1') : this.text() }),
      ...(this.chance(0.1) && { extra: this.json.body().replace(/^\ufeff/, '') }),
    });
  }

  private part(type: 'text' | 'input_text'): string {
    const kind = this.random();
    if (kind < 0.7) return this.object({ type: this.quoted(type), text: this.text() });
    if (kind < 0.8) return this.object({ type: this.quoted('image_url'), image_url: this.object({ url: this.quoted(IMAGE) }) });
    if (kind < 0.9) return this.object({ type: this.quoted('unheard_of'), value: this.text() });
    return this.object({ type: this.quoted(type), text: this.text(), cache_control: '{"type":"ephemeral"}' });
  }

  private block(): string {
    const kind = this.random();
    if (kind < 0.4) return this.object({ type: this.quoted('text'), text: this.text() });
    if (kind < 0.5)
      return this.object({ type: this.quoted('thinking'), thinking: this.text(), signature: this.chance(0.7) ? this.text() : '""' });
    const id = this.quoted(this.one(['toolu_1', 'call.1', `toolu_${'x'.repeat(300)}`]));
    if (kind < 0.7)
      return this.object({
        type: this.quoted('tool_use'),
        id,
        name: this.quoted('find'),
        input: this.object({ path: this.text(), n: '1' }),
      });
    if (kind < 0.9) return this.object({ type: this.quoted('tool_result'), tool_use_id: id, content: this.text() });
    return this.object({
      type: this.quoted('image'),
      source: this.object({ type: this.quoted('base64'), data: this.quoted(IMAGE.slice(22)) }),
    });
  }

  private others(): Fields {
    const tool = (): string =>
      this.object({
        type: this.quoted('function'),
        function: this.object({
          name: this.quoted('find'),
          description: this.text(),
          ...(this.chance(0.3) && { strict: 'true' }),
          parameters: this.object({
            type: this.quoted('object'),
            properties: this.object({
              path: this.object({ type: this.quoted('string'), description: this.text(), enum: this.list(() => this.text()) }),
            }),
          }),
        }),
      });
    return {
      ...(this.chance(0.3) && { tools: this.list(tool) }),
      ...(this.chance(0.3) && { temperature: '1.0' }),
      ...(this.chance(0.2) && { user: this.text() }),
      ...(this.chance(0.2) && { metadata: this.object({ note: this.text(), tags: '["a"]' }) }),
      ...(this.chance(0.1) && { stop: this.list(() => this.text()) }),
    };
  }

  private text(): string {
    const text = this.json.text();
    return `"${this.chance(0.3) ? text.repeat(1 + Math.floor(this.random() * 4)) : text}"`;
  }

  private quoted(text: string): string {
    return JSON.stringify(text);
  }

  private list(item: () => string): string {
    const items = Array.from({ length: 1 + Math.floor(this.random() * 4) }, item);
    return `[${items.join(this.one([',', ' , ', ',\n  ']))}]`;
  }

  private object(fields: Readonly<Record<string, string | false>>): string {
    const space = this.one(['', ' ', '\n\t']);
    const written = Object.entries(fields).map(([name, value]) => `${space}"${name}"${space}:${space}${String(value)}`);
    return `{${written.join(',')}${space}}`;
  }

  private chance(of: number): boolean {
    return this.random() < of;
  }

  private one<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)];
  }
}
