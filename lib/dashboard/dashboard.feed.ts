import { Observable, type Subscriber } from 'rxjs';
import { errorMessage } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { renderPanels, type RenderedPanels } from './dashboard.page.js';
import { takeSnapshot, type DashboardSnapshot, type TakenSnapshot } from './dashboard.snapshot.js';
import type { DashboardSource } from './dashboard.source.js';
import { plotData, type PlotData } from './plot-data.js';

/** One message to a page. */
export interface FeedMessage {
  readonly atMs: number;
  /** Of the package: a page of another one has to be loaded anew. */
  readonly version: string;
  /** HTML by element; all of it at first, later what has changed. */
  readonly panels: Partial<RenderedPanels>;
  /** With the first message, and when an interval has ended. */
  readonly plots?: PlotData;
}

/** Figures as of now, and what was made of them. */
interface Frame extends TakenSnapshot {
  readonly panels: RenderedPanels;
}

/** Who a stream is for. */
export interface FeedAudience {
  /** A session, or an address. */
  readonly client: string;
  /** When its session ends, by the wall clock. */
  readonly endMs?: number;
}

/** A page that is open, and what it shows. */
interface Viewer {
  readonly audience: FeedAudience | undefined;
  panels: Partial<RenderedPanels>;
  plotsEndMs: number | undefined;
}

/** A stream is a connection that stays open; a browser has six to one host. */
const MOST_STREAMS = 100;
const MOST_STREAMS_OF_CLIENT = 10;
/** Rates are told from the look before, unless that was so many intervals ago. */
const RECENT_INTERVALS = 5;

/** Tells all pages that are open how things stand: one timer and one look for all of them, none while nobody looks. */
export class DashboardFeed {
  private readonly viewers = new Map<Subscriber<FeedMessage>, Viewer>();
  private timer: NodeJS.Timeout | undefined = undefined;
  private frame: Frame | undefined = undefined;
  private looking: Promise<Frame> | undefined = undefined;
  private isClosed = false;
  private hasComplained = false;

  constructor(
    private readonly source: DashboardSource,
    private readonly intervalMs: number,
    private readonly logger: LogSink,
  ) {}

  /** Pages that are open. */
  get viewerCount(): number {
    return this.viewers.size;
  }

  /** How things stand; all who ask within an interval get the same. */
  async snapshot(): Promise<DashboardSnapshot> {
    return (await this.current()).snapshot;
  }

  /** Whether there is room for one more stream, of all and of this client. */
  hasRoom(client: string): boolean {
    if (this.viewers.size >= MOST_STREAMS) return false;
    let own = 0;
    for (const { audience } of this.viewers.values()) if (audience?.client === client) own++;
    return own < MOST_STREAMS_OF_CLIENT;
  }

  /** Everything at once, then what changes. Ends when the feed is closed, with its session, or at once where there is no room. */
  stream(audience?: FeedAudience): Observable<FeedMessage> {
    return new Observable((subscriber) => {
      if (this.isClosed || (audience !== undefined && !this.hasRoom(audience.client))) return subscriber.complete();
      this.viewers.set(subscriber, { audience, panels: {}, plotsEndMs: -1 });
      this.timer ??= setInterval(() => void this.tell(this.viewers.keys(), () => this.look()), this.intervalMs).unref();
      void this.tell([subscriber], () => this.current());
      return () => this.leave(subscriber);
    });
  }

  /** Ends the streams of a client that has logged out. */
  leaveAll(client: string): void {
    for (const [subscriber, { audience }] of [...this.viewers]) if (audience?.client === client) subscriber.complete();
  }

  /** Ends all streams: an HTTP server that closes waits for them. */
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
      if (!this.hasComplained) this.logger.warn(`the dashboard gets no figures: ${errorMessage(error)}`);
      this.hasComplained = true;
    }
  }

  private async current(): Promise<Frame> {
    const { frame } = this;
    return frame !== undefined && ageOf(frame) < this.intervalMs ? frame : this.look();
  }

  /** One look at a time: a store that answers slowly must not be asked again and again. */
  private look(): Promise<Frame> {
    const before = this.frame !== undefined && ageOf(this.frame) < RECENT_INTERVALS * this.intervalMs ? this.frame : undefined;
    this.looking ??= takeSnapshot(this.source, before)
      .then((taken) => (this.frame = { ...taken, panels: renderPanels(taken.snapshot) }))
      .finally(() => (this.looking = undefined));
    return this.looking;
  }
}

function ageOf({ takenMs }: Frame): number {
  return performance.now() - takenMs;
}

/** What the page does not show yet. */
function news({ snapshot, panels }: Frame, viewer: Viewer): FeedMessage {
  const { atMs, version, history } = snapshot;
  const names = Object.keys(panels) as (keyof RenderedPanels)[];
  const changed = names.filter((name) => panels[name] !== viewer.panels[name]);
  const endMs = history.endMs.at(-1);
  const hasNewInterval = endMs !== viewer.plotsEndMs;
  viewer.panels = panels;
  viewer.plotsEndMs = endMs;
  return {
    atMs,
    version,
    panels: Object.fromEntries(changed.map((name) => [name, panels[name]])),
    ...(hasNewInterval && { plots: plotData(history) }),
  };
}
