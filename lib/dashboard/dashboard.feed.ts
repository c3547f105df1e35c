import { Observable, type Subscriber } from 'rxjs';
import { errorMessage } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { takeSnapshot, type DashboardSnapshot, type TakenSnapshot } from './dashboard.snapshot.js';
import type { DashboardSource } from './dashboard.source.js';
import type { PanelSet } from './panels/panel.js';
import { plotData, type PlotData } from './plot-data.js';

/** HTML by the id of its element. */
type RenderedPanels = Readonly<Record<string, string>>;

/** One message to an open page. */
export interface FeedMessage {
  readonly atMs: number;
  /** Version of the package: a page of another version reloads. */
  readonly version: string;
  /** HTML by element: all elements at first, then the changed ones. */
  readonly panels: RenderedPanels;
  /** Sent first, and at the end of an interval. */
  readonly plots?: PlotData;
}

/** The page that a stream updates. */
export interface FeedView {
  /** Identifies panels and base. */
  readonly page: string;
  readonly panels: PanelSet;
  /** Prefix of links. */
  readonly base: string;
}

/** A snapshot, and the panels rendered from it, by page. */
interface Frame extends TakenSnapshot {
  readonly panelsOf: Map<string, RenderedPanels>;
  /** Number of changes when it began. */
  readonly changes: number;
}

/** The client of a stream. */
export interface FeedAudience {
  /** Its session or address. */
  readonly client: string;
  /** Expiry of its session, by the wall clock. */
  readonly endMs?: number;
}

/** An open page and its content. */
interface Viewer {
  readonly view: FeedView;
  readonly audience: FeedAudience | undefined;
  panels: RenderedPanels;
  plotsEndMs: number | undefined;
}

/** A stream holds a connection, and a browser opens six to one host. */
const MOST_STREAMS = 100;
const MOST_STREAMS_OF_CLIENT = 10;
/** Rates are computed from the previous snapshot, unless it is older than this. */
const RECENT_INTERVALS = 5;

/** Updates all open pages by one timer and one snapshot; neither runs without pages. */
export class DashboardFeed {
  private readonly viewers = new Map<Subscriber<FeedMessage>, Viewer>();
  private timer: NodeJS.Timeout | undefined = undefined;
  private frame: Frame | undefined = undefined;
  private looking: Promise<Frame> | undefined = undefined;
  private isClosed = false;
  private changes = 0;
  private hasComplained = false;

  constructor(
    private readonly source: DashboardSource,
    private readonly intervalMs: number,
    private readonly logger: LogSink,
  ) {}

  /** Number of open pages. */
  get viewerCount(): number {
    return this.viewers.size;
  }

  /** The current snapshot; the same for all requests within an interval. */
  async snapshot(): Promise<DashboardSnapshot> {
    return (await this.current()).snapshot;
  }

  /** Something was changed: the next snapshot is a new one. */
  expire(): void {
    this.changes++;
  }

  /** Whether another stream is allowed, in all and for this client. */
  hasRoom(client: string): boolean {
    if (this.viewers.size >= MOST_STREAMS) return false;
    let own = 0;
    for (const { audience } of this.viewers.values()) if (audience?.client === client) own++;
    return own < MOST_STREAMS_OF_CLIENT;
  }

  /**
   * Streams all panels, then what changes. Ends with the feed or the session, or at once without
   * room.
   */
  stream(view: FeedView, audience?: FeedAudience): Observable<FeedMessage> {
    return new Observable((subscriber) => {
      if (this.isClosed || (audience !== undefined && !this.hasRoom(audience.client))) return subscriber.complete();
      this.viewers.set(subscriber, { view, audience, panels: {}, plotsEndMs: -1 });
      this.timer ??= setInterval(() => void this.tell(this.viewers.keys(), () => this.look()), this.intervalMs).unref();
      void this.tell([subscriber], () => this.current());
      return () => this.leave(subscriber);
    });
  }

  /** Ends the streams of a client that logged out. */
  leaveAll(client: string): void {
    for (const [subscriber, { audience }] of [...this.viewers]) if (audience?.client === client) subscriber.complete();
  }

  /** Ends all streams, because an HTTP server waits for them when it closes. */
  close(): void {
    this.isClosed = true;
    for (const subscriber of [...this.viewers.keys()]) subscriber.complete();
  }

  private leave(subscriber: Subscriber<FeedMessage>): void {
    this.viewers.delete(subscriber);
    if (this.viewers.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async tell(subscribers: Iterable<Subscriber<FeedMessage>>, look: () => Promise<Frame>): Promise<void> {
    try {
      const frame = await look();
      for (const subscriber of [...subscribers]) {
        const viewer = this.viewers.get(subscriber);
        if (viewer === undefined) continue;
        if ((viewer.audience?.endMs ?? Infinity) <= Date.now()) subscriber.complete();
        else subscriber.next(news(frame, viewer));
      }
      this.hasComplained = false;
    } catch (error) {
      if (!this.hasComplained) this.logger.warn(`Dashboard: snapshot failed (${errorMessage(error)})`);
      this.hasComplained = true;
    }
  }

  private async current(): Promise<Frame> {
    const { frame, changes } = this;
    if (frame?.changes === changes && ageOf(frame) < this.intervalMs) return frame;
    const taken = await this.look();
    // One that was being taken may have begun before the change.
    return taken.changes < changes ? this.look() : taken;
  }

  /** One snapshot at a time: a slow store must not get more requests than it answers. */
  private look(): Promise<Frame> {
    const before = this.frame !== undefined && ageOf(this.frame) < RECENT_INTERVALS * this.intervalMs ? this.frame : undefined;
    const { changes } = this;
    this.looking ??= takeSnapshot(this.source, before)
      .then((taken) => (this.frame = { ...taken, panelsOf: new Map(), changes }))
      .finally(() => (this.looking = undefined));
    return this.looking;
  }
}

function ageOf({ takenMs }: Frame): number {
  return performance.now() - takenMs;
}

/** The panels that the page does not show yet. */
function news(frame: Frame, viewer: Viewer): FeedMessage {
  const { atMs, version, history } = frame.snapshot;
  const panels = rendered(frame, viewer.view);
  const changed = Object.entries(panels).filter(([name, text]) => text !== viewer.panels[name]);
  const endMs = history.endMs.at(-1);
  const hasNewInterval = endMs !== viewer.plotsEndMs;
  viewer.panels = panels;
  viewer.plotsEndMs = endMs;
  return {
    atMs,
    version,
    panels: Object.fromEntries(changed),
    ...(hasNewInterval && { plots: plotData(history) }),
  };
}

/** Rendered once for all viewers of a page. */
function rendered({ snapshot, panelsOf }: Frame, { page, panels, base }: FeedView): RenderedPanels {
  let texts = panelsOf.get(page);
  if (texts === undefined) {
    texts = Object.fromEntries(Object.entries(panels).map(([name, { render }]) => [name, render(snapshot, base)?.text ?? '']));
    panelsOf.set(page, texts);
  }
  return texts;
}
