import { useId, useState } from 'react';
import { useMarket } from '../../api/queries';

interface CapabilitiesFieldProps {
  value: string[];
  onChange: (value: string[]) => void;
}

/** Capabilities as chips; what agents of the market offer is suggested. */
export function CapabilitiesField({ value, onChange }: CapabilitiesFieldProps) {
  const [typed, setTyped] = useState('');
  const { data } = useMarket();
  const id = useId();
  const offered = [...new Set(data?.items.flatMap(({ capabilities }) => capabilities))].sort();
  const suggested = offered.filter((name) => !value.includes(name));
  const add = (text: string): void => {
    const name = text.trim();
    if (name && !value.includes(name)) onChange([...value, name]);
    setTyped('');
  };
  return (
    <div className="field">
      <label className="lab" htmlFor={`${id}-add`}>
        Capabilities <small>Agents that offer only some score less</small>
      </label>
      <div className="chips">
        {value.map((name) => (
          <span key={name} className="tag">
            {name}{' '}
            <button
              type="button"
              aria-label={`Remove ${name}`}
              onClick={() => onChange(value.filter((other) => other !== name))}
            >
              ×
            </button>
          </span>
        ))}
        <input
          id={`${id}-add`}
          list={id}
          placeholder={value.length > 0 ? 'Add' : 'Any agent may bid; add one to choose'}
          value={typed}
          autoComplete="off"
          onChange={(event) => {
            const text = event.target.value;
            // A choice from the list arrives as a change of the whole text.
            if (suggested.includes(text) || text.endsWith(',')) add(text.replace(',', ''));
            else setTyped(text);
          }}
          onBlur={() => add(typed)}
          onKeyDown={(event) => {
            if (event.key === 'Enter') {
              event.preventDefault();
              add(typed);
            } else if (event.key === 'Backspace' && typed === '') onChange(value.slice(0, -1));
          }}
        />
        <datalist id={id}>
          {suggested.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </div>
    </div>
  );
}
