import { atOnce } from '../../common/next-turn.js';
import { tokenizerPackages } from '../../../test/support/tokenizer-packages.js';
import { familyOf, type FamilyName } from '../families.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { segmentsOf, countSegments } from '../bpe/special-tokens.js';
import { modelFacts } from '../models.js';
import { packTokenizer } from '../tokenizers/pack.js';
import { PackedTokenizer } from '../tokenizers/packed-layout.js';
import { readTokenizer } from '../tokenizers/read-tokenizer.js';
import { countMessages, type ChatMessage } from './messages.js';
import type { PromptContext } from './prompt-context.js';
import { countRequestBody } from './requests.js';

const CHAT: readonly ChatMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Weather in Oslo?', name: 'anna' },
  { role: 'assistant', content: 'It rains.' },
  { role: 'user', content: 'And now?' },
];

/** What the families' chat templates make of it. */
const RENDERED: Readonly<Record<string, readonly [family: FamilyName, model: string, text: string]>> = {
  'tokenizer-llama3': [
    'llama-3',
    'llama-3.3-70b',
    '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWeather in Oslo?<|eot_id|>' +
      '<|start_header_id|>assistant<|end_header_id|>\n\nIt rains.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd now?<|eot_id|>' +
      '<|start_header_id|>assistant<|end_header_id|>\n\n',
  ],
  'tokenizer-qwen3': [
    'qwen',
    'qwen3-32b',
    '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWeather in Oslo?<|im_end|>\n<|im_start|>assistant\nIt rains.<|im_end|>\n' +
      '<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n',
  ],
  'tokenizer-deepseek_v3': [
    'deepseek-v3',
    'deepseek-chat',
    '<｜begin▁of▁sentence｜>Be brief.<｜User｜>Weather in Oslo?<｜Assistant｜>It rains.<｜end▁of▁sentence｜><｜User｜>And now?<｜Assistant｜>',
  ],
  'tokenizer-gemma3': [
    'gemma-3',
    'gemma-3-27b-it',
    '<bos><start_of_turn>user\nBe brief.\n\nWeather in Oslo?<end_of_turn>\n<start_of_turn>model\nIt rains.<end_of_turn>\n' +
      '<start_of_turn>user\nAnd now?<end_of_turn>\n<start_of_turn>model\n',
  ],
  'tokenizer-command_r_plus': [
    'command-r',
    'command-r-plus',
    '<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Weather in Oslo?<|END_OF_TURN_TOKEN|>' +
      '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>It rains.<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>And now?<|END_OF_TURN_TOKEN|>' +
      '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>',
  ],
};

function contextOf(model: string, count: (text: string) => number): PromptContext {
  const facts = modelFacts(model);
  return { model: { ...facts, chat: facts.family?.chat }, count, assumed: false, mediaTokens: 0 };
}

describe('the overhead of a chat', () => {
  it.each<[FamilyName, string, number]>([
    ['llama-3', 'llama-3.3-70b', 5 + 5 + 5 + 5 + 5],
    ['qwen', 'qwen3-32b', 3 + 5 + 5 + 5 + 5],
    ['deepseek-v3', 'deepseek-chat', 2 + 0 + 1 + 2 + 1],
    ['tekken', 'mistral-nemo', 1 + 0 + 2 + 1 + 2],
    ['gemma-3', 'gemini-2.5-pro', 4 + 1 + 5 + 5 + 5],
    ['command-r', 'command-r-plus', 3 + 3 + 3 + 3 + 3],
  ])('of %s is that of its template, without roles and names', (_, model, tokens) => {
    const context = contextOf(model, () => 0);
    expect(countMessages(CHAT, context)).toBe(tokens);
    expect(countRequestBody({ input: CHAT.map(({ role, content }) => ({ role, content })), instructions: null }, context)).toBe(tokens);
    const { chat } = familyOf(_);
    expect(countRequestBody({ instructions: 'a', input: 'b' }, context)).toBe(
      (chat?.prompt ?? 0) + (chat?.system ?? 0) + (chat?.user ?? 0),
    );
  });

  it('stays that of the cookbook without a tokenizer', () => {
    const facts = modelFacts('llama-3.3-70b');
    expect(countMessages([{ role: 'user', content: 'Hi' }], { model: facts, count: () => 1, assumed: false, mediaTokens: 0 })).toBe(
      3 + 3 + 2,
    );
  });

  const { binding } = openNativeBinding();
  const packages = (binding ? tokenizerPackages() : []).filter(({ name }) => name in RENDERED);
  (packages.length > 0 ? it.each(packages) : it.skip.each([{ name: 'packages', file: '', version: '' }]))(
    'is what the template of $name makes of a chat',
    ({ name, file }) => {
      const [, model, text] = RENDERED[name];
      const tokenizer = atOnce(PackedTokenizer.opening(name, `chat-${name}`, packTokenizer(readTokenizer(file, undefined))));
      if (tokenizer === undefined) throw new Error(`${file} cannot be packed`);
      const engine = new NativeTokenCounterEngine(binding!);
      const handle = engine.load(tokenizer);
      const wanted = countSegments(segmentsOf(text, tokenizer, 'all'), (part) => engine.count(part, handle));
      expect(
        countMessages(
          CHAT,
          contextOf(model, (part) => engine.count(part, handle)),
        ),
      ).toBe(wanted);
    },
  );
});
