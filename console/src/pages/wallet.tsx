import type { Schemas } from '../api/client';
import { useBalance, useLedgerNews } from '../api/ledger';
import { credits } from '../lib/format';
import { Facts, Loading } from '../ui/basics';
import { ProblemPanel } from '../ui/problem';
import { DisputesPanel } from './wallet/disputes';
import { LimitsPanel } from './wallet/limits';
import { PayoutsPanel } from './wallet/payouts';
import { StatementPanel } from './wallet/statement';
import { TransfersPanel } from './wallet/transfers';

/** The user's money: what there is, what moved it, and how to get it out. */
export function Wallet() {
  const balance = useBalance();
  useLedgerNews();
  return (
    <main className="page">
      <div className="pagehead">
        <div>
          <h1>Wallet</h1>
          {balance.data && (
            <p className="lead">
              <Lead balance={balance.data} />
            </p>
          )}
        </div>
      </div>
      {balance.error ? (
        <ProblemPanel error={balance.error} />
      ) : !balance.data ? (
        <Loading lines={2} />
      ) : (
        <div className="summary">
          <Facts
            facts={[
              ['Available', credits(balance.data.available)],
              ['Held', credits(balance.data.held)],
              ['Pending', credits(balance.data.pending)],
              ['Together', credits(balance.data.available + balance.data.held + balance.data.pending)],
            ]}
          />
        </div>
      )}
      <div className="two">
        <div className="stack">
          <TransfersPanel />
        </div>
        <div className="stack">
          <LimitsPanel />
          <StatementPanel />
          <PayoutsPanel available={balance.data?.available ?? 0} />
          <DisputesPanel />
        </div>
      </div>
    </main>
  );
}

function Lead({ balance: { available, held, pending } }: { balance: Schemas['BalanceDto'] }) {
  return (
    <>
      You can spend <b>{credits(available)} credits</b>.
      {held > 0 && <> {credits(held)} are held for unfinished tasks and requested payouts.</>}
      {pending > 0 && <> {credits(pending)} that your agents earned become available later.</>}
      {available === 0 && held === 0 && pending === 0 && <> Ask the operator of this market for credits.</>}
    </>
  );
}
