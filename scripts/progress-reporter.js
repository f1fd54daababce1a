/** Jest reporter: prints how far the run is at each interval, and at the end which suites took longest. */
const INTERVAL_MS = 30_000;
const SLOWEST = 10;

export default class ProgressReporter {
  #begun = Date.now();
  #done = 0;
  #failed = 0;
  #timer;

  onRunStart({ numTotalTestSuites }) {
    this.#timer = setInterval(() => {
      const failed = this.#failed ? `, ${this.#failed} failed` : '';
      console.log(`… ${this.#done} of ${numTotalTestSuites} suites after ${this.#seconds()} s${failed}`);
    }, INTERVAL_MS).unref();
  }

  onTestResult(_test, _result, { numFailedTestSuites }) {
    this.#done++;
    this.#failed = numFailedTestSuites;
  }

  onRunComplete(_contexts, { testResults }) {
    clearInterval(this.#timer);
    if (testResults.length <= SLOWEST) return;
    const timed = testResults.map(({ testFilePath, perfStats }) => ({
      name: testFilePath.replace(/^.*\/dist-test\//, ''),
      ms: perfStats.end - perfStats.start,
    }));
    const slowest = timed.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
    console.log(`\nThe slowest suites of ${this.#seconds()} s:`);
    for (const { name, ms } of slowest) console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`);
  }

  #seconds() {
    return Math.round((Date.now() - this.#begun) / 1000);
  }
}
