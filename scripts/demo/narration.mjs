const bold = process.stdout.isTTY ? (text) => `\u001b[1m${text}\u001b[0m` : (text) => text;
let number = 0;

/** A heading of the demo. */
export function step(title) {
  number += 1;
  console.log(`\n${bold(`${number}. ${title}`)}`);
}

export function tell(line) {
  console.log(line);
}
