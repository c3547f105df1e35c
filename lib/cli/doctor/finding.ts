/** What `doctor` found out about one thing. */
export interface DoctorFinding {
  /** What was looked at: `engine token_counting`. */
  readonly subject: string;
  readonly status: 'ok' | 'warning' | 'error';
  /** What is so. */
  readonly detail: string;
  /** What to do about it; left out where nothing has to be done. */
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
