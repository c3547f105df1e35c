import { MAY_CALL_ANY, type Principal } from '../http/principal.js';
import { checkModelAccess, checkModelsAccess } from './model-access.js';

const only = (mayCall: Principal['mayCall']): Principal => ({ mayCall }) as Principal;
const GPT = only((model) => model === 'gpt');

it.each<[string, unknown, boolean, boolean]>([
  ['an allowed model', { model: 'gpt' }, true, true],
  ['another model', { model: 'other' }, false, false],
  ['another model as a fallback', { model: 'gpt', fallbacks: ['other'] }, true, false],
  ['no model', {}, true, true],
  ['a model that is not a text', { model: 7 }, true, true],
  ['no body', undefined, true, true],
  ['null', null, true, true],
  ['a text', 'other', true, true],
])('model access with %s', (_, body, inModel, inAll) => {
  const passes = (check: typeof checkModelAccess, principal: Principal): boolean => {
    try {
      check(principal, body);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'MODEL_NOT_ALLOWED' });
      return false;
    }
  };
  expect([passes(checkModelAccess, GPT), passes(checkModelsAccess, GPT)]).toEqual([inModel, inAll]);
  expect([passes(checkModelAccess, only(MAY_CALL_ANY)), passes(checkModelsAccess, only(MAY_CALL_ANY))]).toEqual([true, true]);
});
