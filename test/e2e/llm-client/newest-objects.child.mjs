// Run from a folder with the newest SDKs: objects and tools by AI SDK providers over the gateway at
// argv[2], by each of its models, argv[3]. Prints what came.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import * as ai from 'ai';
import { z } from 'zod';

const baseURL = `${process.argv[2]}/v1`;
const openai = createOpenAI({ baseURL, apiKey: 'sk' });
const anthropic = createAnthropic({ baseURL, apiKey: 'sk' });
const schema = z.object({ city: z.string() });
const weather = ai.tool({ description: 'The weather', inputSchema: schema, execute: ({ city }) => `cold in ${city}` });
const clients = { responses: (model) => openai(model), chat: (model) => openai.chat(model), messages: (model) => anthropic(model) };

const came = {};
for (const [name, client] of Object.entries(clients)) {
  for (const id of process.argv[3].split(',')) {
    const model = client(id);
    const shared = { model, maxRetries: 0 };
    const { object } = await ai.generateObject({ ...shared, schema, prompt: 'Where?' });
    const { text, steps } = await ai.generateText({ ...shared, prompt: 'Weather?', tools: { weather }, stopWhen: ai.isStepCount(3) });
    const forced = await ai.generateText({
      ...shared,
      prompt: 'Weather?',
      tools: { weather },
      toolChoice: { type: 'tool', toolName: 'weather' },
    });
    const streamed = ai.streamObject({ ...shared, schema, prompt: 'Where?' });
    for await (const partial of streamed.partialObjectStream) void partial;
    came[`${name} ${id}`] = [object, text, steps.length, forced.toolCalls.length, await streamed.object];
  }
}
console.log(JSON.stringify(came));
