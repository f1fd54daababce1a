export { AuctionApiModule } from './auction-api.module.js';
export { AuctionRecord } from './auction-record.entity.js';
export { type Auction, type Bidder, holdAuction } from './auction.js';
export { Auctions } from './auctions.service.js';
export { AuctionModule } from './auction.module.js';
export { MetaAgent } from './meta-agent.js';
export {
  BoundsDto,
  ExclusionDto,
  type ExclusionReason,
  ScaleDto,
  ScoreboardDto,
  ScoredBidDto,
  ScoreWeightsDto,
} from './scoreboard.dto.js';
