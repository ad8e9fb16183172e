// Numbers, times and money for people.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const some = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const few = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2 });

export const NOTHING = "–";

export const count = (number) => number === undefined || number === null ? NOTHING : whole.format(number);

/** A number with its noun. */
export const counted = (number, one, several) => `${count(number)} ${number === 1 ? one : several}`;

/** A rate per second, as that per hour where it is slow. */
export function rate(perSecond, what) {
  if (perSecond === undefined || perSecond === null) return NOTHING;
  if (perSecond === 0) return `0 ${what}/s`;
  if (perSecond >= 100) return `${whole.format(perSecond)} ${what}/s`;
  if (perSecond >= 0.1) return `${some.format(perSecond)} ${what}/s`;
  return `${few.format(perSecond * 3600)} ${what}/h`;
}

/** A duration in its largest unit, or its largest two if they are small. */
export function duration(seconds) {
  const units = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];
  const rounded = Math.max(0, Math.round(seconds));
  const first = units.findIndex(([, length]) => rounded >= length);
  if (first < 0) return "0 s";
  const [name, length] = units[first];
  const number = Math.floor(rounded / length);
  const next = units[first + 1];
  if (!next || number >= 10) return `${count(number)} ${name}`;
  const rest = Math.floor((rounded % length) / next[1]);
  return rest ? `${number} ${name} ${rest} ${next[0]}` : `${number} ${name}`;
}

/** How long before `now` something was; both in milliseconds of the server's clock. */
export function ago(then, now) {
  if (!then) return NOTHING;
  const seconds = Math.round((now - then) / 1000);
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`;
}

/** A moment, in the viewer's time. */
export const moment = (milliseconds) => milliseconds
  ? new Date(milliseconds).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" })
  : NOTHING;

/** Nano-dollars. */
export function money(nano) {
  if (nano === undefined || nano === null) return NOTHING;
  const dollars = nano / 1e9;
  const digits = dollars === 0 || dollars >= 0.1 ? 2 : 4;
  return "$" + dollars.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A lower and an upper bound, once if both read the same. */
export function range(bounds, format) {
  if (!bounds) return NOTHING;
  const [low, high] = [format(bounds.low), format(bounds.high)];
  return low === high ? low : `${low} to ${high}`;
}

export const percent = (share) => share === undefined || share === null ? NOTHING : `${some.format(share * 100)} %`;
