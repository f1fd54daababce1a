/** Reverses a text and counts its letters: a template to replace. `input` is the task's, what it returns the result. */
function agent(input) {
  if (typeof input.text !== 'string') throw new InputRefused('The input needs a "text".');
  console.log(`A text of ${input.text.length} characters.`);
  const letters = {};
  for (const letter of input.text.toLowerCase().match(/\p{L}/gu) ?? []) letters[letter] = (letters[letter] ?? 0) + 1;
  return { reversed: [...input.text].reverse().join(''), letters };
}
