import { echoedTexts } from './other-texts.js';

it('finds the texts that an answer of Responses may repeat, and the names of their fields', () => {
  const body = {
    model: 'm',
    instructions: 'Be brief.',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }, 'plain', null, 7],
    metadata: { team: { lead: 'Ada' } },
    messages: ['not repeated'],
  };
  const texts = ['Be brief.', 'role', 'user', 'content', 'type', 'input_text', 'text', 'Hello', 'plain', 'team', 'lead', 'Ada'];
  expect([...echoedTexts(body)].sort()).toEqual(texts.sort());
  expect(echoedTexts({}).size).toBe(0);
});
