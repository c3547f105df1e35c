import { ChatChunks } from './chat-chunks.js';

it('repeats no id and no model without end in each event', () => {
  const chunks = new ChatChunks('i'.repeat(100_000), 'm'.repeat(100_000), false);
  expect(chunks.delta({ content: 'a' }).length).toBeLessThan(3000);
  chunks.id = 'j'.repeat(100_000);
  chunks.model = 'n'.repeat(100_000);
  const event = chunks.finish('stop');
  expect(event).toMatch(/"id":"j{1024}","object":"chat\.completion\.chunk","created":\d+,"model":"n{1024}"/);
  expect(event.length).toBeLessThan(3000);
});
