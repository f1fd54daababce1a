import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Recurring } from '../common/recurring.js';
import { inTime } from '../common/timers.js';
import { WebhookConfig } from '../config/index.js';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import { watchWebhooks } from './metrics.js';
import { newTurn, WebhookTurn } from './turn.js';
import { TurnStore } from './turn-store.js';

/** Between two looks for work, ms. */
const PAUSE_MS = 250;
/** How long a lost notification may delay a delivery, ms. */
const POLL_MS = 2000;
/** Webhooks of one user that a process serves at a time. */
const PER_USER = 2;
/** How long a stop waits for requests under way, ms. */
const STOP_MS = 5000;

/**
 * Serves webhooks in turns, in any number of processes. A webhook is leased by one turn at a time; when its process dies, the
 * lease runs out. Users that have `PER_USER` turns wait, so that slow receivers of one do not take the places of others.
 */
@Injectable()
export class WebhookDeliverer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('Webhooks'), 'no webhooks are delivered');
  private readonly recurring = new Recurring(() => this.look(), PAUSE_MS, this.warnOfOutage);
  private readonly stopping = new AbortController();
  private readonly ended = new AbortController();
  private readonly turns = new Map<Promise<void>, string>();
  private unsubscribe: () => void = () => undefined;
  private hasNews = true;
  /** Whether a webhook may be due, as far as this process knows. */
  private mayBeDue = false;
  private lookedAt = 0;

  constructor(
    database: DataSource,
    private readonly store: TurnStore,
    private readonly turn: WebhookTurn,
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
    private readonly config: WebhookConfig,
  ) {
    watchWebhooks(database);
  }

  onApplicationBootstrap(): void {
    this.unsubscribe = this.stream.subscribe(() => {
      this.hasNews = true;
    });
    this.recurring.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.unsubscribe();
    this.stopping.abort();
    await this.recurring.stop();
    const turns = Promise.all(this.turns.keys());
    await inTime(turns, STOP_MS, () => undefined);
    this.ended.abort();
    await turns;
  }

  private async look(): Promise<void> {
    if (this.hasNews || performance.now() - this.lookedAt > POLL_MS) {
      this.hasNews = false;
      this.lookedAt = performance.now();
      while (await this.store.wake());
      this.mayBeDue = true;
    }
    // One by one: each changes which users are busy.
    while (this.mayBeDue && this.turns.size < this.config.concurrency && !this.stopping.signal.aborted) {
      const turn = newTurn();
      const webhook = await this.store.claim(turn, this.turn.leaseMs, this.busyUsers());
      this.mayBeDue = webhook !== undefined;
      if (!webhook) return;
      const running = this.turn
        .run(webhook.id, turn, this.stopping.signal, this.ended.signal)
        .catch(this.warnOfOutage)
        .finally(() => {
          this.turns.delete(running);
          this.mayBeDue = true;
        });
      this.turns.set(running, webhook.user_id);
    }
  }

  private busyUsers(): string[] {
    const users = [...this.turns.values()];
    return users.filter((user) => users.filter((other) => other === user).length >= PER_USER);
  }
}
