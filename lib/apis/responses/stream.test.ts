import { eventsIn } from '../../../test/support/stream-events.js';
import { BridgedResponse } from './responses.js';
import { KeptItems } from '../../providers/openai/responses/kept-items.js';

const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const delta = (fields: object): string => event({ model: 'm', choices: [{ index: 0, delta: fields, finish_reason: null }] });
const finish = (reason: string): string => event({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
const usage = event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } });

function eventsOf(chat: string, body: object = {}): Record<string, unknown>[] {
  const bridged = new BridgedResponse({ model: 'm', ...body }, new KeptItems());
  const written = bridged.events(eventsIn(chat)) + bridged.end();
  return written
    .split('\n\n')
    .filter((each) => each !== '')
    .map((each) => JSON.parse(each.slice(each.indexOf('\ndata: ') + 7)) as Record<string, unknown>);
}

describe('the events of a bridged response', () => {
  it('writes thoughts, text and calls in the order of OpenAI', () => {
    const chat =
      delta({ role: 'assistant', reasoning_content: 'H' }) +
      delta({ reasoning_content: 'm' }) +
      delta({ content: 'It is ' }) +
      delta({ content: 'so.' }) +
      delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }] }) +
      delta({ tool_calls: [{ index: 1, id: 'b', function: { name: 'g', arguments: '{' } }] }) +
      delta({ tool_calls: [{ index: 1, function: { arguments: '}' } }] }) +
      finish('tool_calls') +
      usage +
      'data: [DONE]\n\n';
    const events = eventsOf(chat);
    expect(events.map(({ type }) => String(type).replace('response.', ''))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
    expect(events.at(-1)?.response).toMatchObject({
      status: 'completed',
      usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
      output: [{ type: 'reasoning' }, { type: 'message' }, { call_id: 'a' }, { call_id: 'b', arguments: '{}' }],
    });
  });

  it('keeps a call open whose arguments come behind those of the next', () => {
    const chat =
      delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":' } }] }) +
      delta({ tool_calls: [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }] }) +
      delta({ tool_calls: [{ index: 0, function: { arguments: '1}' } }] }) +
      finish('tool_calls');
    expect(eventsOf(chat).at(-1)?.response).toMatchObject({ output: [{ arguments: '{"x":1}' }, { arguments: '{}' }] });
  });

  it.each([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ])('ends with response.incomplete for the finish reason %s', (reason, why) => {
    const last = eventsOf(delta({ content: 'a' }) + finish(reason)).at(-1);
    expect(last).toMatchObject({
      type: 'response.incomplete',
      response: { incomplete_details: { reason: why }, output: [{ status: 'incomplete' }] },
    });
  });

  it('ends with an error event beyond the text that it can hold', () => {
    const bridged = new BridgedResponse({ model: 'm' }, new KeptItems());
    const chunk = delta({ content: 'x'.repeat(1024 * 1024) });
    const written = Array.from({ length: 40 }, () => bridged.events(eventsIn(chunk)));
    expect(written[30].length).toBeGreaterThan(1024 * 1024);
    expect(written[39]).toHaveLength(0);
    const last = written.findLast((events) => events !== '');
    expect(last).toContain('event: error');
    expect(last).toContain('The answer is too long.');
    expect(bridged.end()).toHaveLength(0);
  });

  it('ends with an error event beyond the calls that it can hold', () => {
    const calls = Array.from({ length: 1001 }, (_, index) => ({ index, id: `c${index}`, function: { name: 'f', arguments: '{' } }));
    expect(eventsOf(delta({ tool_calls: calls }) + finish('tool_calls')).at(-1)).toMatchObject({
      type: 'error',
      message: 'The answer has too many tool calls.',
    });
  });

  it.each([
    ['a stream without a finish reason', delta({ content: 'a' })],
    ['an event that is no JSON', `${delta({ content: 'a' })}data: {oops\n\n`],
    ['an error event', delta({ content: 'a' }) + event({ error: { message: 'bad' } }) + finish('stop')],
  ])('ends with one error event for %s', (_, chat) => {
    const events = eventsOf(chat);
    expect(events.filter(({ type }) => type === 'error')).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { message: expect.any(String) as string } });
  });
});
