import { deployment, routerEngines, routerOn } from '../../../test/support/router-engines.js';

const [engine] = routerEngines();
const wild = (name: string) => ({ model_name: name, litellm_params: { model: `openai/${name.replace(/^.*\//, '')}`, api_key: 'sk-1' } });

describe('the models that requests for a name may call', () => {
  const modelList = [
    deployment('a', {}, 'm', { max_input_tokens: 100, max_output_tokens: 7 }),
    deployment('b', { base_model: 'gpt-4o' }, 'm'),
    wild('openai/*'),
  ];

  it('are those of its deployments, with the base model first', () => {
    const { router } = routerOn(engine, { modelList });
    expect(router.calledModels('m')).toEqual({
      group: 'm',
      deployments: [
        { models: [expect.stringMatching(/a$/)], maxInputTokens: 100, maxOutputTokens: 7 },
        { models: ['gpt-4o', expect.stringMatching(/b$/)] },
      ],
    });
    expect(router.calledModels('none')).toBeUndefined();
  });

  it('have what a wildcard captures', () => {
    const { router } = routerOn(engine, { modelList });
    expect(router.calledModels('openai/gpt-5')).toMatchObject({ group: 'openai/*', deployments: [{ models: ['openai/gpt-5'] }] });
  });
});

describe('a name that several wildcards match', () => {
  it.each([[['openai/*', 'openai/gpt-*', 'openai/gpt-4*']], [['openai/gpt-4*', 'openai/gpt-*', 'openai/*']]])(
    'goes to the longest one, in the order %j',
    (names) => {
      const { router } = routerOn(engine, { modelList: names.map(wild) });
      const groupOf = (name: string) => router.calledModels(name)?.group;
      expect(['openai/gpt-4o', 'openai/gpt-5', 'openai/o3'].map(groupOf)).toEqual(['openai/gpt-4*', 'openai/gpt-*', 'openai/*']);
    },
  );
});
