// Run from a folder with the newest SDKs: calls the gateway at argv[2], and prints what came.
import { createOpenAI } from '@ai-sdk/openai';
import * as ai from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';

const baseURL = process.argv[2];
const model = createOpenAI({ baseURL, apiKey: 'sk' })('m');
const weather = ai.tool({
  description: 'The weather',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `cold in ${city}`,
});

const whole = await ai.generateText({ model, prompt: 'Hi' });
const streamed = ai.streamText({ model, prompt: 'Hi' });
let text = '';
for await (const part of streamed.textStream) text += part;
const stop = ai.isStepCount ?? ai.stepCountIs;
const agent = await ai.generateText({ model, prompt: 'Weather?', tools: { weather }, stopWhen: stop(3) });

const openai = new OpenAI({ baseURL, apiKey: 'sk', maxRetries: 0 });
const messages = [{ role: 'user', content: 'Hi' }];
const chat = await openai.chat.completions.create({ model: 'm', messages });
let chunks = '';
for await (const chunk of await openai.chat.completions.create({ model: 'm', messages, stream: true })) {
  chunks += chunk.choices[0]?.delta.content ?? '';
}
const response = await openai.responses.create({ model: 'm', input: 'Hi' });

console.log(
  JSON.stringify({
    aiSdk: { whole: whole.text, tokens: whole.usage.inputTokens, streamed: text, agent: agent.text, steps: agent.steps.length },
    openai: { whole: chat.choices[0].message.content, streamed: chunks, response: response.output_text },
  }),
);
