/** Whoever chooses among the members of a level, by an order of its own. */
export interface Chooser {
  /** The position of the member that it would choose; -1: none may be chosen; -2: it has not found one, so that a scan has to. */
  best(nowMs: number): number;
  /** It was chosen: among equals it is the last now. */
  chosen(position: number, nowMs: number): void;
}
