import { errorMessage, FastLiteLLMError } from '../../common/errors.js';
import { ServeLog } from '../../serve/serve-log.js';
import { startServer, type RunningServer } from '../../serve/serve.server.js';
import type { ServeSettings } from '../../serve/serve.settings.js';
import type { OperatorParts } from '../../serve/operator.controller.js';
import type { CommandIo } from '../command.js';
import { reportOf, type ServerReport } from './server-report.js';
import { connectToSupervisor } from './worker-messages.js';

/** Handles of the app that stay open do not keep the process alive for longer. */
const EXIT_MS = 2_000;
const INTERRUPTED = 130;

/** Serves requests in this process until a signal ends it. @returns the exit code */
export async function serveHere(settings: ServeSettings, io: CommandIo, show: (report: ServerReport) => void): Promise<number> {
  const log = new ServeLog(io.stderr, settings.logLevel, settings.logsJson);
  const server = await start(settings, log, io);
  show(reportOf(server, log.release()));
  return untilStopped(server, settings, log);
}

/** The same in a worker, whose supervisor shows the first screen and adds up the metrics. */
export async function serveInWorker(settings: ServeSettings, io: CommandIo): Promise<number> {
  const supervisor = connectToSupervisor();
  const { worker } = supervisor;
  const log = new ServeLog(io.stderr, settings.logLevel, settings.logsJson, worker);
  let server: RunningServer;
  try {
    server = await start(settings, log, io, { worker, samplesOfOthers: () => supervisor.samplesOfOthers() });
  } catch (error) {
    // Only one of the workers reports it.
    await supervisor.failed(error instanceof FastLiteLLMError ? errorMessage(error) : String((error as Error).stack));
    return 1;
  }
  supervisor.serve(server.llm);
  supervisor.ready(reportOf(server, log.release()));
  const code = await untilStopped(server, settings, log);
  // The connection to the supervisor would keep the process alive.
  process.disconnect?.();
  return code;
}

/** @throws the error of the start; lines that explain an unexpected one are written before */
async function start(settings: ServeSettings, log: ServeLog, { stderr }: CommandIo, parts?: OperatorParts): Promise<RunningServer> {
  try {
    return await startServer(settings, log, parts);
  } catch (error) {
    const kept = log.silence();
    if (!(error instanceof FastLiteLLMError)) for (const line of kept) stderr.write(`${line}\n`);
    throw error;
  }
}

/** Waits for SIGTERM or SIGINT, then for the requests in flight. A second SIGINT ends at once. */
function untilStopped(server: RunningServer, { configPath }: ServeSettings, log: ServeLog): Promise<number> {
  return new Promise((resolve, reject) => {
    let interrupts = 0;
    let closing: Promise<void> | undefined;
    const stop = (signal: NodeJS.Signals): void => {
      if (signal === 'SIGINT' && ++interrupts > 1) process.exit(INTERRUPTED);
      closing ??= server.close().then(() => {
        setTimeout(() => process.exit(), EXIT_MS).unref();
        resolve(0);
      }, reject);
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
    // SIGHUP reloads the file; without a listener the signal would end the process.
    process.on('SIGHUP', () => {
      if (configPath === undefined) log.log('Configuration: SIGHUP has no effect without --config');
    });
  });
}
