/** Where the few lines go that this package says: Nest's `Logger`, `console` and pino all fit. */
export interface LogSink {
  /** Takes an informative line. */
  log(message: string): void;
  /** Takes a line about a problem that the package works around. */
  warn(message: string): void;
  /** Takes a line about a failure. */
  error(message: string): void;
}
