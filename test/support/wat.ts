import wabt from 'wabt';

/** Everything on: the tests also write modules that the server must refuse. */
export const FEATURES = {
  exceptions: true,
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  simd: true,
  threads: true,
  function_references: true,
  multi_value: true,
  tail_call: true,
  bulk_memory: true,
  reference_types: true,
  gc: true,
  memory64: true,
  multi_memory: true,
  extended_const: true,
};

/**
 * Translates WebAssembly's text format into a binary, without asking whether it is valid.
 * @throws Error with wabt's message and the offending line
 */
export async function wat(text: string): Promise<Buffer> {
  const { parseWat } = await wabt();
  const module = parseWat('module.wat', text, FEATURES);
  try {
    return Buffer.from(module.toBinary({}).buffer);
  } finally {
    module.destroy();
  }
}
