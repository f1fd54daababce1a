type Loose = any;

/** The text of `docs/api.md`: the OpenAPI document as a page, by tag. */
export function apiReference(document: Loose): string {
  const { paths, tags, components } = document;
  const operations = Object.entries<Loose>(paths).flatMap(([path, methods]) =>
    Object.entries<Loose>(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(({ name, description }: Loose) => {
    const own = operations.filter(({ operation }) => operation.tags[0] === name);
    return [`## ${name}`, description, ...own.map((entry) => operationText(entry))].join('\n\n');
  });
  const schemas = Object.entries<Loose>(components.schemas)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, schema]) => schemaText(name, schema));
  return `${[HEADER, ...sections, '## Schemas', ...schemas].join('\n\n')}\n`;
}

const HEADER = `# API

Every route, as the running server describes itself (Swagger at \`/docs\`, the document at \`/docs-json\` and in
[openapi.json](openapi.json)). Generated from that document; examples are there. Errors are
[problem documents](#problem): switch on \`code\`. The live feed over WebSocket is in [realtime.md](realtime.md).`;

function operationText({ path, method, operation }: { path: string; method: string; operation: Loose }): string {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  return [
    `### ${method.toUpperCase()} ${path}`,
    summary,
    description.startsWith(`${summary}\n\nAccess: `) ? description.slice(summary.length + 2) : description,
    ...(parameters.length > 0
      ? [
          table(
            ['parameter', 'in', 'type', 'meaning'],
            parameters.map((parameter: Loose) => parameterRow(parameter)),
          ),
        ]
      : []),
    ...(requestBody ? [`Body: ${contentText(requestBody.content)}`] : []),
    table(
      ['status', 'body', 'meaning'],
      Object.entries<Loose>(responses).map(([status, { description: meaning, content }]) => [
        status,
        content ? contentText(content) : '',
        meaning,
      ]),
    ),
  ].join('\n\n');
}

const parameterRow = ({ name, in: place, schema, required, description }: Loose): string[] => [
  `\`${name}\`${required ? '' : ' (optional)'}`,
  place,
  typeText(schema),
  description ?? '',
];

const contentText = (content: Loose): string =>
  Object.entries<Loose>(content)
    .map(([type, { schema }]) => `${typeText(schema)} as \`${type}\``)
    .join(', ');

function schemaText(name: string, { description, properties = {}, required = [] }: Loose): string {
  const rows = Object.entries<Loose>(properties).map(([member, schema]) => [
    `\`${member}\`${required.includes(member) ? '' : ' (optional)'}`,
    typeText(schema),
    schema.description ?? '',
  ]);
  return [`### ${name}`, ...(description ? [description] : []), table(['member', 'type', 'meaning'], rows)].join(
    '\n\n',
  );
}

function typeText(schema: Loose): string {
  const { $ref, type, items, format, enum: choices, nullable, oneOf, allOf, minimum, maximum } = schema ?? {};
  const orNull = nullable ? ' or null' : '';
  if ($ref) {
    const name = $ref.split('/').at(-1);
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (choices?.[0] === null) return 'null';
  const union = oneOf ?? allOf;
  if (union) return union.map(typeText).join(oneOf ? ' or ' : ' and ') + orNull;
  if (choices) return choices.map((choice: unknown) => `\`${String(choice)}\``).join(', ') + orNull;
  if (type === 'array') return `list of ${typeText(items)}${orNull}`;
  const bounds = [minimum === undefined ? '' : `from ${minimum}`, maximum === undefined ? '' : `to ${maximum}`];
  return [format === 'binary' ? 'bytes' : (format ?? type ?? 'anything'), ...bounds].filter(Boolean).join(' ') + orNull;
}

function table(head: string[], rows: string[][]): string {
  const cell = (text: string): string =>
    text
      .replaceAll('|', String.raw`\|`)
      .replace(/\s+/g, ' ')
      .trim();
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}
