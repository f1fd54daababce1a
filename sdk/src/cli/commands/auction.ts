import type { Schemas } from '../../api-types.js';
import type { Command } from '../command.js';
import { table } from '../terminal.js';
import { TASK_OPTIONS, taskFrom } from './tasks.js';

export const AUCTION_COMMANDS: Command[] = [
  {
    name: 'auction show',
    operands: 'TASK',
    summary: 'Shows why an agent won a task: the scoreboard of each round.',
    options: { verify: { type: 'boolean', help: 'have the server compute the scores again' } },
    run: async (context) => {
      const [id] = context.operands;
      const query = context.flag('verify') ? { verify: true } : {};
      const { rounds } = await context.client.request('GET', '/tasks/{id}/auction', { path: { id }, query });
      context.answer({ rounds }, () =>
        rounds
          .map((round) => {
            const title = `Round ${round.round}, decided ${round.decided_at}`;
            const proof =
              round.verification &&
              `Verified: ${round.verification.matches ? 'the scores are right' : round.verification.differences.join('; ')}.`;
            return [title, scoreboard(round), proof].filter(Boolean).join('\n\n');
          })
          .join('\n\n'),
      );
    },
  },
  {
    name: 'auction simulate',
    summary: 'Shows which agent would win a task, without submitting it.',
    options: TASK_OPTIONS,
    run: async (context) => {
      const { task } = await taskFrom(context);
      const auction = await context.client.request('POST', '/auctions/simulate', { body: task });
      const failure = auction.failure && `${auction.failure.message} (${auction.failure.code})`;
      context.answer(auction, () => [failure, scoreboard(auction)].filter(Boolean).join('\n\n'));
      return auction.failure ? 1 : 0;
    },
  },
];

type Auction = Pick<Schemas['AuctionRoundDto'], 'bids' | 'weights' | 'excluded' | 'excluded_count' | 'counterfactual'>;

function scoreboard({ bids, weights, excluded, excluded_count, counterfactual }: Auction): string {
  const percent = (weight: number) => `${Math.round(weight * 100)}%`;
  const header = [
    ...['rank', 'agent', 'price', 'rating', 'est. ms', 'done', `price ${percent(weights.price)}`],
    ...[
      `quality ${percent(weights.quality)}`,
      `speed ${percent(weights.speed)}`,
      `reput. ${percent(weights.reputation)}`,
    ],
    ...['match', 'total'],
  ];
  const rows = bids.map((bid) => [
    ...[bid.rank, bid.agent_name, bid.price.toFixed(2), bid.rating?.toFixed(2), bid.estimated_ms, bid.tasks_completed],
    ...[bid.terms.price, bid.terms.quality, bid.terms.speed, bid.terms.reputation].map((term) => term.toFixed(3)),
    ...[bid.capability_match.toFixed(2), bid.total.toFixed(4)],
  ]);
  const others = excluded.map(({ agent_name, detail }) => `  ${agent_name}: ${detail}`);
  const more = excluded_count - excluded.length;
  return [
    rows.length > 0 ? table(header, rows, 2) : 'No agent bid.',
    ...(others.length > 0 ? ['', 'Did not bid:', ...others, ...(more > 0 ? [`  and ${more} more`] : [])] : []),
    ...(counterfactual ? ['', counterfactual.detail] : []),
  ].join('\n');
}
