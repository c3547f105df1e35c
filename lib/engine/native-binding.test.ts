import { InvalidConfigurationError } from '../common/errors.js';
import { readEngineMode } from './engine-mode.js';
import { openNativeBinding } from './native-binding.js';

describe('readEngineMode', () => {
  it('takes the environment before the option before auto', () => {
    expect(readEngineMode(undefined, {})).toEqual({ mode: 'auto', setBy: 'the option engine' });
    expect(readEngineMode('native', {}).mode).toBe('native');
    expect(readEngineMode('native', { FAST_LITELLM_ENGINE: 'typescript' })).toEqual({ mode: 'typescript', setBy: 'FAST_LITELLM_ENGINE' });
  });

  it('names what is wrong', () => {
    expect(() => readEngineMode('rust', {})).toThrow(InvalidConfigurationError);
    expect(() => readEngineMode('natve', {})).toThrow('engine: must be one of auto, native, typescript (did you mean native?)');
    expect(() => readEngineMode('auto', { FAST_LITELLM_ENGINE: 'js' })).toThrow('FAST_LITELLM_ENGINE: must be one of');
  });
});

describe('openNativeBinding', () => {
  it('is opened, or says in one line why not', () => {
    const { binding, reason } = openNativeBinding();
    if (binding === null) expect(reason).toMatch(/^[^\n]{10,}$/);
    else expect(typeof binding.countTokens).toBe('function');
  });

  it('is not opened under FAST_LITELLM_ENGINE=typescript', () => {
    const before = process.env.FAST_LITELLM_ENGINE;
    process.env.FAST_LITELLM_ENGINE = 'typescript';
    try {
      expect(openNativeBinding()).toEqual({ binding: null, reason: 'addon not loaded: FAST_LITELLM_ENGINE is typescript' });
    } finally {
      if (before === undefined) delete process.env.FAST_LITELLM_ENGINE;
      else process.env.FAST_LITELLM_ENGINE = before;
    }
  });

  it('refuses an addon of another release, and one that does not load', () => {
    const openWith = (addon: () => unknown) => {
      let result: unknown;
      jest.isolateModules(() => {
        jest.doMock('#native', addon, { virtual: true });
        const before = process.env.FAST_LITELLM_ENGINE;
        delete process.env.FAST_LITELLM_ENGINE;
        result = jest.requireActual<{ openNativeBinding: typeof openNativeBinding }>('./native-binding.js').openNativeBinding();
        if (before !== undefined) process.env.FAST_LITELLM_ENGINE = before;
        jest.dontMock('#native');
      });
      return result;
    };
    expect(openWith(() => ({ version: () => '9.9.9' }))).toEqual({
      binding: null,
      reason: expect.stringMatching(/^addon version 9\.9\.9 does not match package version \d+\.\d+\.\d+$/) as string,
    });
    const broken = () => {
      throw new Error('Cannot find native binding.\nMore lines.');
    };
    expect(openWith(broken)).toEqual({
      binding: null,
      reason: `cannot open the addon on ${process.platform}-${process.arch}: Cannot find native binding.`,
    });

    // As napi-rs' loader throws: its own message over the places it tried.
    const missing = Object.assign(new Error("Cannot find module './addon.node'"), { code: 'MODULE_NOT_FOUND' });
    const loader = (cause: Error) => () => {
      throw new Error('Cannot find native binding. npm has a bug.', { cause });
    };
    expect(openWith(loader(missing))).toEqual({ binding: null, reason: `no addon for ${process.platform}-${process.arch}` });
    const copied = new Error("Cannot find module 'nestjs-fast-litellm-wasm32-wasi'");
    expect(openWith(loader(copied))).toEqual({ binding: null, reason: `no addon for ${process.platform}-${process.arch}` });
    const refused = Object.assign(new Error("version `GLIBC_2.38' not found"), { code: 'ERR_DLOPEN_FAILED', cause: missing });
    expect(openWith(loader(refused))).toEqual({
      binding: null,
      reason: `cannot open the addon on ${process.platform}-${process.arch}: version \`GLIBC_2.38' not found`,
    });
  });
});
