import { Controller, Get, Header, Inject, Redirect, VERSION_NEUTRAL } from '@nestjs/common';
import { SkipRateLimit } from '../http/decorators.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { PROMETHEUS_TYPE, PrometheusText, type LabelledSamples } from '../prometheus/prometheus-text.js';

/** Injection token of `OperatorParts`. */
export const OPERATOR_PARTS = Symbol('serve operator parts');

/** Dependencies of the operator's routes. */
export interface OperatorParts {
  /** Metrics of the other workers; `undefined`: this process is the only one. */
  readonly samplesOfOthers?: () => Promise<readonly LabelledSamples[]>;
  /** Name of this worker, for the label `worker`. */
  readonly worker?: string;
}

/** `/metrics` for Prometheus, and a start page. */
@Controller({ version: VERSION_NEUTRAL })
@SkipRateLimit()
export class OperatorController {
  private readonly text = new PrometheusText();

  constructor(
    private readonly llm: FastLiteLLM,
    @Inject(OPERATOR_PARTS) private readonly parts: OperatorParts,
  ) {}

  @Get('metrics')
  @Header('Content-Type', PROMETHEUS_TYPE)
  @Header('Cache-Control', 'no-store')
  async metrics(): Promise<string> {
    const { worker, samplesOfOthers } = this.parts;
    const own: LabelledSamples = { worker, samples: this.llm.metrics() };
    return this.text.write([own, ...((await samplesOfOthers?.()) ?? [])]);
  }

  @Get()
  @Redirect('/dashboard', 302)
  start(): void {}
}
