import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useId, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import type { Task } from '../../api/queries';
import { Button, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';

type Answer = Schemas['AnswerQuestionDto']['answer'];

interface QuestionProps {
  taskId: string;
  question: NonNullable<Task['question']>;
  /** Name of the agent that asks. */
  from: string;
}

/** What the agent asks, and a box for the answer: choices, text, or JSON, as the schema of the question says. */
export function Question({ taskId, question, from }: QuestionProps) {
  const queries = useQueryClient();
  const id = useId();
  const [text, setText] = useState('');
  const form = formOf(question.schema);
  const send = useMutation({
    mutationFn: (answer: unknown) =>
      unwrap(
        api.POST('/api/v1/tasks/{id}/input', {
          params: { path: { id: taskId } },
          body: { question_id: question.id, answer: answer as Answer },
        }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: ['task', taskId] }),
  });
  const value = form.kind === 'json' ? parsed(text) : { value: text };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (value) send.mutate(value.value);
  };
  return (
    <Panel title={`${from} asks you`} className="question">
      <div className="in">
        <p id={id}>{question.question}</p>
        {form.kind === 'choice' ? (
          <div className="acts" role="group" aria-labelledby={id}>
            {form.choices.map((choice) => (
              <Button key={JSON.stringify(choice)} small busy={send.isPending} onClick={() => send.mutate(choice)}>
                {typeof choice === 'string' ? choice : JSON.stringify(choice)}
              </Button>
            ))}
          </div>
        ) : (
          <form onSubmit={submit}>
            <textarea
              className="input"
              rows={3}
              aria-labelledby={id}
              placeholder={form.kind === 'json' ? 'JSON' : 'Your answer'}
              value={text}
              onChange={({ target }) => setText(target.value)}
            />
            <Button type="submit" small look="primary" busy={send.isPending} disabled={!value || text === ''}>
              Answer
            </Button>
            {form.kind === 'json' && text !== '' && !value && <p className="hint error">This is not JSON.</p>}
          </form>
        )}
        {send.error && <ProblemPanel error={send.error} />}
      </div>
    </Panel>
  );
}

type AnswerForm = { kind: 'choice'; choices: readonly unknown[] } | { kind: 'text' } | { kind: 'json' };

/** The most choices that are shown as buttons. */
const MAX_CHOICES = 12;

/** How a schema is best answered. The server checks the answer, whatever this says. */
export function formOf(schema: unknown): AnswerForm {
  if (typeof schema !== 'object' || schema === null) return { kind: 'text' };
  const { enum: values, type } = schema as { enum?: unknown; type?: unknown };
  if (Array.isArray(values) && values.length > 0 && values.length <= MAX_CHOICES)
    return { kind: 'choice', choices: values };
  if (type === 'boolean') return { kind: 'choice', choices: [true, false] };
  return { kind: type === 'string' ? 'text' : 'json' };
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
