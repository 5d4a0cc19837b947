// Says so when Node.js is too old for the program. In words that old ones understand too: the program itself has others, and an old
// Node.js would end with a syntax error somewhere in it.
var OLDEST = [20, 19];
var parts = process.versions.node.split(".");
var major = Number(parts[0]);
var program = process.argv.splice(2, 1)[0];
if (major > OLDEST[0] || (major === OLDEST[0] && Number(parts[1]) >= OLDEST[1])) {
  require("./" + program + ".cjs");
} else {
  console.error(
    program +
      ": Node.js " +
      process.versions.node +
      " (" +
      process.execPath +
      ") is too old; " +
      OLDEST.join(".") +
      " or newer is needed: see https://nodejs.org",
  );
  process.exitCode = 1;
}
