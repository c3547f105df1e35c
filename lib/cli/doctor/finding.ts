/** One finding of `doctor`. */
export interface DoctorFinding {
  /** Subject of the finding: `engine token_counting`. */
  readonly subject: string;
  readonly status: 'ok' | 'warning' | 'error';
  /** The finding itself. */
  readonly detail: string;
  /** Advice; absent if no action is needed. */
  readonly advice?: string;
}

export function ok(subject: string, detail: string): DoctorFinding {
  return { subject, status: 'ok', detail };
}

export function warning(subject: string, detail: string, advice: string): DoctorFinding {
  return { subject, status: 'warning', detail, advice };
}

export function fault(subject: string, detail: string, advice: string): DoctorFinding {
  return { subject, status: 'error', detail, advice };
}
