import { Module, type OnModuleInit } from '@nestjs/common';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { register } from 'prom-client';

/**
 * Gauges of prom-client with a counter's name, which promtool rejects. The gauges by type
 * (`nodejs_active_handles`) have the same data.
 */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** `/metrics`: metrics of the library and of the process. */
@Module({ imports: [PrometheusModule.register()] })
export class MetricsModule implements OnModuleInit {
  onModuleInit(): void {
    for (const name of MISNAMED) register.removeSingleMetric(name);
  }
}
