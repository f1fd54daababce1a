import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, unwrap } from '../../api/client';
import type { Task } from '../../api/queries';
import { Glyph } from '../../ui/glyph';
import { ProblemPanel } from '../../ui/problem';

const WORDS = ['useless', 'poor', 'usable', 'good', 'perfect'];

/** One verdict a task, from 1 (useless) to 5 (perfect). */
export function Rating({ task }: { task: Task }) {
  const queries = useQueryClient();
  const [aimed, setAimed] = useState(0);
  const rate = useMutation({
    mutationFn: (rating: number) =>
      unwrap(api.POST('/api/v1/tasks/{id}/rating', { params: { path: { id: task.id } }, body: { rating } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['task', task.id] }),
  });
  const given = task.rating ?? (rate.isPending ? rate.variables : 0);
  const isDone = given > 0;
  return (
    <>
      <div className="note middle">
        <span>{isDone ? `You rated it ${given} of 5: ${WORDS[given - 1]}.` : 'How good is it?'}</span>
        <div className="rate" role="group" aria-label="Your rating" onMouseLeave={() => setAimed(0)}>
          {WORDS.map((word, index) => (
            <button
              key={word}
              type="button"
              aria-label={`${index + 1} of 5: ${word}`}
              aria-pressed={isDone ? given === index + 1 : undefined}
              title={`${index + 1} of 5: ${word}`}
              className={index < (aimed || given) ? 'set' : ''}
              disabled={isDone}
              onMouseEnter={() => !isDone && setAimed(index + 1)}
              onClick={() => rate.mutate(index + 1)}
            >
              <Glyph name="star" />
            </button>
          ))}
        </div>
      </div>
      {rate.error && <ProblemPanel error={rate.error} />}
    </>
  );
}
