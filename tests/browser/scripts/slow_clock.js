// The clock of a tablet that is ten minutes slow; `slow`, by how many ms, is put right by the test.
globalThis.slow = 600_000;
const Real = Date;
globalThis.Date = class extends Real {
  constructor(...given) {
    super(...(given.length ? given : [Real.now() - globalThis.slow]));
  }

  static now() {
    return Real.now() - globalThis.slow;
  }
};
