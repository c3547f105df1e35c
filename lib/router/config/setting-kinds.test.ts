import { refuseArgument } from '../../common/options.js';
import { INFO_KINDS, PARAM_KINDS, withCheckedKinds } from './setting-kinds.js';

const checked = (section: object, kinds = PARAM_KINDS) => withCheckedKinds('params', section as never, kinds, refuseArgument);

it.each<[object, object]>([
  [{}, {}],
  [{ other: 7 }, { other: 7 }],
  [{ drop_params: 'True' }, { drop_params: true }],
  [{ drop_params: 'false' }, { drop_params: false }],
  [
    { drop_params: true, base_model: 'm' },
    { drop_params: true, base_model: 'm' },
  ],
  [
    { drop_params: '', base_model: null, headers: undefined },
    { drop_params: '', base_model: null, headers: undefined },
  ],
  [{ allowed_openai_params: ['a'] }, { allowed_openai_params: ['a'] }],
  [{ extra_headers: { a: 'b' } }, { extra_headers: { a: 'b' } }],
])('reads %j', (section, expected) => {
  const result = checked(section);
  expect(result).toEqual(expected);
  expect(result).not.toBe(section);
});

it.each<[string, unknown]>([
  ['base_model', 7],
  ['drop_params', 'yes'],
  ['drop_params', 'truer'],
  ['additional_drop_params', 'a'],
  ['allowed_openai_params', ['']],
  ['extra_body', []],
  ['headers', 'a: b'],
])('rejects a %s of %j', (name, value) => {
  expect(() => checked({ [name]: value })).toThrow(expect.objectContaining({ path: expect.stringMatching(`^params\\.${name}`) }));
});

it('checks the kinds of model_info', () => {
  expect(checked({ mode: 'chat', max_output_tokens: 7 }, INFO_KINDS)).toEqual({ mode: 'chat', max_output_tokens: 7 });
  expect(() => checked({ mode: 7 }, INFO_KINDS)).toThrow(expect.objectContaining({ path: 'params.mode' }));
});
