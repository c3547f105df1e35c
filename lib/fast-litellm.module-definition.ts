import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { FastLiteLLMOptions } from './fast-litellm.options.js';

/** For `forRootAsync({ useClass })` and `({ useExisting })`. */
export interface FastLiteLLMOptionsFactory {
  /** Returns the options. Called once, at boot. */
  createFastLiteLLMOptions(): FastLiteLLMOptions | Promise<FastLiteLLMOptions>;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<FastLiteLLMOptions>({ moduleName: 'FastLiteLLM' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createFastLiteLLMOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal !== false }))
    .build();
