import { describe, expect, it } from '@jest/globals';
import { lowestOf, toRunLimits } from './run.js';

describe('the limits of a run', () => {
  it('are the lowest that server, task and version name', () => {
    const server = {
      maxMemoryPages: 1024,
      maxTableElements: 1000,
      stackKb: 900,
      maxCpuMs: 2000,
      maxOutputBytes: 500,
      maxStderrBytes: 400,
      maxStderrLines: 30,
      clockResolutionUs: 100,
    };
    const task = toRunLimits({ memory_mb: 32, stack_kb: 512, cpu_ms: 3000, log_lines: 10 });
    const version = toRunLimits({ memory_mb: 16, table_elements: 10, stack_kb: 600, output_bytes: 5, log_bytes: 4 });
    expect(lowestOf(server, lowestOf(task, version))).toEqual({
      maxMemoryPages: 256,
      maxTableElements: 10,
      stackKb: 512,
      maxCpuMs: 2000,
      maxOutputBytes: 5,
      maxStderrBytes: 4,
      maxStderrLines: 10,
      clockResolutionUs: 100,
    });
  });
});
