/** Where the few lines go that this package says: Nest's `Logger`, `console` and pino all fit. */
export interface LogSink {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
