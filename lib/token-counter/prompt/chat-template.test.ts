import { ChatTemplate } from './chat-template.js';

const TEMPLATE =
  '{{ bos_token }}{%- if tools %}{%- for tool in tools %}[{{ tool.function.name }}]{%- endfor %}{%- endif %}' +
  '{%- for message in messages %}{%- if message.role == "robot" %}{{ raise_exception("unknown role") }}{%- endif %}' +
  '<{{ message.role }}>{{ message.content }}{%- for call in message.tool_calls or [] %}({{ call.function.arguments.city }}){%- endfor %}{%- endfor %}' +
  '{%- if add_generation_prompt %}<assistant>{%- endif %}{{ eos_token }}';

describe('ChatTemplate', () => {
  const template = new ChatTemplate({ template: TEMPLATE, bosToken: '<s>', eosToken: '</s>' });
  const call = { type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } };

  it('renders texts, tools, and arguments of calls as objects', () => {
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'text', text: 'there' },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call] },
    ];
    expect(template.render(messages, [{ type: 'function', function: { name: 'weather' } }])).toEqual({
      text: '<s>[weather]<user>Hi\nthere<assistant>(Oslo)<assistant></s>',
    });
    expect(template.render([{ role: 'user', content: 'Hi' }], undefined)).toEqual({ text: '<s><user>Hi<assistant></s>' });
  });

  it.each<[string, readonly object[], readonly unknown[] | null, RegExp]>([
    ['an image', [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }], null, /parts that are not text/],
    ["tools in Anthropic's shape", [{ role: 'user', content: 'Hi' }], [{ name: 'weather', input_schema: {} }], /OpenAI's format/],
    ['what the template refuses', [{ role: 'robot', content: 'Hi' }], null, /the template cannot be rendered \(.*unknown role/],
  ])('tells why it cannot render %s', (_, messages, tools, refusal) => {
    expect(template.render(messages, tools)).toEqual({ refusal: expect.stringMatching(refusal) as string });
  });

  it.each([
    // As DeepSeek's, and as Qwen's.
    ["{%- if m.content is none %}{{ '[' + m.tool_calls[0]['function']['arguments'] + ']' }}{%- endif %}", '[{"city":"Oslo"}]'],
    ["{%- if m.thoughts is not none and '<' in m.content %}x{%- endif %}{{ m.tool_calls[0].function.arguments.city }}", 'Oslo'],
  ])('gives a message with calls the content and the arguments that the template %j takes', (body, text) => {
    const message = { role: 'assistant', content: null, tool_calls: [call] };
    const source = `{%- for m in messages %}${body}{%- endfor %}`;
    expect(new ChatTemplate({ template: source, bosToken: '', eosToken: '' }).render([message], null)).toEqual({ text });
    expect(new ChatTemplate({ template: source, bosToken: '', eosToken: '' }).render([message], [{ function: {} }])).toEqual({
      refusal: 'the template does not support tools',
    });
  });

  it('refuses a template that is not valid', () => {
    const broken = new ChatTemplate({ template: '{% for %}', bosToken: '', eosToken: '' });
    expect(broken.render([{ role: 'user', content: 'Hi' }], null).refusal).toMatch(/^the template cannot be rendered/);
  });
});
