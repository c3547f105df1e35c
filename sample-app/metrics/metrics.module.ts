import { Module, type OnModuleInit } from '@nestjs/common';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { register } from 'prom-client';

/** Gauges of prom-client's with a counter's name, which Prometheus' own linter refuses. Those by type (`nodejs_active_handles`) say the same. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** `/metrics`: those of the library, and of the process. */
@Module({ imports: [PrometheusModule.register()] })
export class MetricsModule implements OnModuleInit {
  onModuleInit(): void {
    for (const name of MISNAMED) register.removeSingleMetric(name);
  }
}
